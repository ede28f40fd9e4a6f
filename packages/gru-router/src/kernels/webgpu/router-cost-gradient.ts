/**
 * The gradient of the router's cost on the device, in five dispatches: the pull on the scores, the pull on the Gram
 * matrix (a product over the tokens), what that asks of the mean, and one workgroup a token that brings all of it to
 * the rows. The products of a token's routing vectors lie in workgroup memory.
 */
import {
  gemmShader,
  type KernelInputs,
  releaseTensors,
  runElementwise,
  runShader,
  tileSide,
  type WebGPUBackend,
} from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { RouterCostGradientAttrs, RouterCostGradientInputs } from '../../router-cost-op.ts';
import { inverseLength, tokenShares } from './router-cost.ts';

/** Experts whose products with each other, one of each pair, fit into workgroup memory. */
const MOST_EXPERTS = 72;

/** [dr, dx] */
export function routerCostGradientOnDevice(
  inputs: KernelInputs<RouterCostGradientInputs>,
  attrs: RouterCostGradientAttrs,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const { r, x, mask, scores, gram, mean, dScores, dCost, dGram, dMean, dSpecial } = inputs;
  const [tokens, experts, width] = r.shape as [number, number, number];
  if (tokens * experts * width === 0 || experts > MOST_EXPERTS) return undefined;
  const pulls = scorePulls(backend, { scores, gram, dScores, dCost }, attrs);
  let atMean = dMean;
  if (attrs.ownGram) {
    const pull = gramPull(backend, { scores, gram, dCost, dGram }, attrs.lambda);
    atMean = meanPull(backend, { mean, pull, dMean });
    releaseTensors(backend, pull);
  }
  const shares = tokenShares(backend, tokens, mask, dSpecial);
  const { dr, dx } = runShader(backend, {
    inputs: { r, x, pulls, atMean, shares },
    outputs: { dr: { shape: r.shape }, dx: { shape: x.shape } },
    types: { pulls: 'vec2f', shares: 'vec2f' },
    sizes: { width },
    workgroupSize: 128,
    workgroups: tokens,
    declarations: rowsDeclarations(experts, attrs),
    body: rowsBody(attrs.speciality),
  });
  releaseTensors(backend, pulls, shares);
  if (attrs.ownGram) releaseTensors(backend, atMean);
  return [dr, dx];
}

/** [N,E] of (d, d·s), d the cotangent of the score s: sign(s)·(λ·Σ_e c_te·G_ie² + 2β·c·relu(|s| − τ)) − c + its own. */
function scorePulls(
  backend: WebGPUBackend,
  inputs: Readonly<Record<'scores' | 'gram' | 'dScores' | 'dCost', TensorInfo>>,
  { lambda, beta, tau }: RouterCostGradientAttrs,
): TensorInfo {
  const [tokens, experts] = inputs.scores.shape as [number, number];
  return runElementwise(backend, {
    inputs,
    outputs: { pulls: { shape: [tokens, experts, 2] } },
    types: { pulls: 'vec2f' },
    count: tokens * experts,
    sizes: { experts },
    reals: { lambda, beta, tau },
    body: `
  let e = i % p.experts;
  let row = i - e;
  var repulsion = 0.0;
  for (var k = 0u; k < p.experts; k++) {
    let g = gram[e * p.experts + k];
    if (k != e) { repulsion += dCost[row + k] * g * g; }
  }
  let s = scores[i];
  let over = max(abs(s) - p.tau, 0.0);
  let pull = sign(s) * (p.lambda * repulsion + 2.0 * p.beta * dCost[i] * over) - dCost[i] + dScores[i];
  pulls[i] = vec2f(pull, pull * s);`,
  }).pulls;
}

/** [E,E] the cotangent of the Gram matrix: 2λ·G_ie·Σ_t |s_ti|·c_te off the diagonal, and its own. */
function gramPull(
  backend: WebGPUBackend,
  inputs: Readonly<Record<'scores' | 'gram' | 'dCost' | 'dGram', TensorInfo>>,
  lambda: number,
): TensorInfo {
  const [tokens, experts] = inputs.scores.shape as [number, number];
  const side = tileSide(experts, experts, 1);
  const tiles = Math.ceil(experts / side);
  return runShader(backend, {
    inputs,
    outputs: { pull: { shape: [experts, experts] } },
    sizes: { tokens, experts, tiles },
    reals: { lambda },
    workgroups: tiles * tiles,
    ...gemmShader(
      {
        a: { value: 'abs(scores[k * p.experts + m])', along: 'm' },
        b: { value: 'dCost[k * p.experts + n]', along: 'n' },
        bounds: `
  let mFirst = group / p.tiles * SIDE;
  let nFirst = group % p.tiles * SIDE;
  let mEnd = p.experts;
  let nEnd = p.experts;
  let kFirst = 0u;
  let kEnd = p.tokens;`,
        store: `
      let at = m * p.experts + n;
      pull[at] = dGram[at] + select(2.0 * p.lambda * sum * gram[at], 0.0, m == n);`,
      },
      side,
    ),
  }).pull;
}

/** [E,D] the cotangent of the mean: through G = U Uᵀ, U its unit vectors, and its own. One workgroup an expert. */
function meanPull(
  backend: WebGPUBackend,
  inputs: Readonly<Record<'mean' | 'pull' | 'dMean', TensorInfo>>,
): TensorInfo {
  const [experts, width] = inputs.mean.shape as [number, number];
  return runShader(backend, {
    inputs,
    outputs: { atMean: { shape: [experts, width] } },
    sizes: { width },
    workgroupSize: 64,
    workgroups: experts,
    declarations: `
const E = ${experts}u;
var<workgroup> inverse: array<f32, E>;
var<workgroup> weight: array<f32, E>;
var<workgroup> along: array<f32, E>;
${inverseLength(true)}`,
    body: `
  for (var e = lane; e < E; e += WORKGROUP) {
    var squares = 0.0;
    var inner = 0.0;
    for (var k = 0u; k < p.width; k++) {
      let value = mean[e * p.width + k];
      squares += value * value;
      inner += value * mean[group * p.width + k];
    }
    let own = inverseLength(squares);
    inverse[e] = own;
    // ⟨U_group, (d + dᵀ) U⟩ is a sum over the same inner products
    weight[e] = (pull[group * E + e] + pull[e * E + group]) * own;
    along[e] = weight[e] * inner;
  }
  workgroupBarrier();
  var inner = 0.0;
  for (var e = 0u; e < E; e++) { inner += along[e]; }
  let own = inverse[group];
  for (var k = lane; k < p.width; k += WORKGROUP) {
    var atUnit = 0.0;
    for (var e = 0u; e < E; e++) { atUnit += weight[e] * mean[e * p.width + k]; }
    let unit = mean[group * p.width + k] * own;
    atMean[group * p.width + k] = dMean[group * p.width + k] + own * (atUnit - unit * inner * own);
  }`,
  }).atMean;
}

function rowsDeclarations(experts: number, attrs: RouterCostGradientAttrs): string {
  return `
const E = ${experts}u;
var<workgroup> inverse: array<vec2f, E>;
var<workgroup> alongR: array<f32, E>;
var<workgroup> alongX: array<f32, E>;
${attrs.speciality ? `var<workgroup> products: array<f32, ${(experts * (experts + 1)) / 2}>;` : ''}
/** Of a pair in either order. */
fn pairAt(a: u32, b: u32) -> u32 { let high = max(a, b); return high * (high + 1u) / 2u + min(a, b); }
${inverseLength(attrs.normalise)}
/** Where rows are unit vectors already, nothing is taken off along them. */
const NORMALISED = ${attrs.normalise ? '1.0' : '0.0'};`;
}

/** With u the unit vectors, the pull on them less what lies along them, over the length. */
function rowsBody(speciality: boolean): string {
  return `
  let first = group * E;
  let share = shares[group].x;
  let special = shares[group].y;
  for (var e = lane; e < E; e += WORKGROUP) {
    let row = (first + e) * p.width;
    var squares = vec2f(0.0);
    var towardsMean = 0.0;
    for (var k = 0u; k < p.width; k++) {
      squares += vec2f(r[row + k] * r[row + k], x[row + k] * x[row + k]);
      towardsMean += x[row + k] * atMean[e * p.width + k];
    }
    let own = vec2f(inverseLength(squares.x), inverseLength(squares.y));
    inverse[e] = own;
    alongR[e] = pulls[first + e].y;
    alongX[e] = pulls[first + e].y + share * towardsMean * own.y;
  }
  workgroupBarrier();
  ${
    speciality
      ? `
  for (var pair = lane; pair < E * E; pair += WORKGROUP) {
    let a = pair / E;
    let b = pair % E;
    if (a < b) { continue; }
    var inner = 0.0;
    if (a > b) {
      for (var k = 0u; k < p.width; k++) { inner += r[(first + a) * p.width + k] * r[(first + b) * p.width + k]; }
    }
    products[pairAt(a, b)] = inner * inverse[a].x * inverse[b].x;
  }
  workgroupBarrier();
  for (var e = lane; e < E; e += WORKGROUP) {
    var squares = 0.0;
    for (var k = 0u; k < E; k++) { squares += products[pairAt(e, k)] * products[pairAt(e, k)]; }
    alongR[e] += special * squares;
  }
  workgroupBarrier();`
      : ''
  }
  for (var i = lane; i < E * p.width; i += WORKGROUP) {
    let e = i / p.width;
    let at = first * p.width + i;
    let own = inverse[e];
    let unitR = r[at] * own.x;
    let unitX = x[at] * own.y;
    let pull = pulls[first + e].x;
    var pullR = pull * unitX;
    ${
      speciality
        ? `for (var k = 0u; k < E; k++) {
      pullR += special * products[pairAt(e, k)] * r[(first + k) * p.width + i % p.width] * inverse[k].x;
    }`
        : ''
    }
    let pullX = pull * unitR + share * atMean[i];
    dr[at] = own.x * (pullR - NORMALISED * unitR * alongR[e]);
    dx[at] = own.y * (pullX - NORMALISED * unitX * alongX[e]);
  }`;
}
