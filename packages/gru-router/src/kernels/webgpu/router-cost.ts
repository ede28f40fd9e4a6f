/**
 * The router's cost on the device. Scores, cost and Gram matrix take one invocation an element, the mean is a column
 * sum, and the speciality one workgroup a token: no array of N·E·E or N·E·D is made.
 */
import {
  columnSum,
  type KernelInputs,
  releaseTensors,
  runElementwise,
  runShader,
  type WebGPUBackend,
  workgroupReductions,
} from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { RouterCostAttrs, RouterCostInputs } from '../../router-cost-op.ts';

/** Squared length under which a vector has no direction. */
const SHORTEST = 1e-12;

/** `inverseLength(squares)`: 1/‖v‖, 0 where there is no direction; 1 where rows are unit vectors already. */
export function inverseLength(normalise: boolean): string {
  if (!normalise) return 'fn inverseLength(squares: f32) -> f32 { return 1.0; }';
  return `fn inverseLength(squares: f32) -> f32 {
  return select(0.0, inverseSqrt(max(squares, ${SHORTEST})), squares >= ${SHORTEST});
}`;
}

/** [N,2]: each token's share in the experts' mean, and 4 times its cotangent of the speciality where one is given. */
export function tokenShares(
  backend: WebGPUBackend,
  tokens: number,
  mask: TensorInfo | undefined,
  dSpecial?: TensorInfo,
): TensorInfo {
  const { declarations, enable } = workgroupReductions(backend, 'Sum');
  return runShader(backend, {
    inputs: { mask, dSpecial },
    outputs: { shares: { shape: [tokens, 2] } },
    types: { shares: 'vec2f' },
    sizes: { tokens },
    workgroupSize: 256,
    workgroups: 1,
    enable,
    declarations: `${declarations}
fn live(t: u32) -> f32 { return ${mask === undefined ? '1.0' : 'select(0.0, 1.0, f32(mask[t]) > 0.0)'}; }`,
    body: `
  var count = 0.0;
  for (var t = lane; t < p.tokens; t += WORKGROUP) { count += live(t); }
  let total = max(workgroupSum(count, lane), 1.0);
  for (var t = lane; t < p.tokens; t += WORKGROUP) {
    shares[t] = vec2f(live(t) / total, ${dSpecial === undefined ? '0.0' : '4.0 * dSpecial[t]'});
  }`,
  }).shares;
}

/** [scores, cost, gram, mean, speciality] */
export function routerCostOnDevice(
  { r, x, mask, gram: given }: KernelInputs<RouterCostInputs>,
  attrs: RouterCostAttrs,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const [tokens, experts, width] = r.shape as [number, number, number];
  if (tokens * experts * width === 0) return undefined;
  const { scores, inverses } = scoresOnDevice(backend, r, x, attrs.normalise);
  const shares = tokenShares(backend, tokens, mask);
  const mean = columnSum(
    backend,
    {
      inputs: { x, inverses, shares },
      types: { inverses: 'vec2f', shares: 'vec2f' },
      rows: tokens,
      width: experts * width,
      sizes: { experts, dim: width },
      // selected: padding may hold anything, and 0·NaN is NaN
      declarations: `fn weighted(t: u32, c: u32) -> f32 {
  if (shares[t].x == 0.0) { return 0.0; }
  return x[t * p.width + c] * inverses[t * p.experts + c / p.dim].y * shares[t].x;
}`,
      value: 'weighted(t, c)',
    },
    [experts, width],
  );
  const gram = given === undefined ? gramOnDevice(backend, mean) : shared(backend, given);
  const cost = costOnDevice(backend, scores, gram, attrs);
  const special = attrs.speciality
    ? specialityOnDevice(backend, r, inverses)
    : backend.makeTensorInfo([tokens], 'float32', new Float32Array(tokens));
  releaseTensors(backend, inverses, shares);
  return [scores, cost, gram, mean, special];
}

/** The same data as another output. */
function shared(backend: WebGPUBackend, { dataId, shape, dtype }: TensorInfo): TensorInfo {
  backend.incRef(dataId);
  return { dataId, shape, dtype };
}

/** ⟨R, X⟩ [N,E], and (1/‖r‖, 1/‖x‖) of each row. */
function scoresOnDevice(backend: WebGPUBackend, r: TensorInfo, x: TensorInfo, normalise: boolean) {
  const [tokens, experts, width] = r.shape as [number, number, number];
  return runElementwise(backend, {
    inputs: { r, x },
    outputs: { scores: { shape: [tokens, experts] }, inverses: { shape: [tokens, experts, 2] } },
    types: { inverses: 'vec2f' },
    count: tokens * experts,
    sizes: { width },
    declarations: inverseLength(normalise),
    body: `
  var squares = vec2f(0.0);
  var inner = 0.0;
  for (var k = i * p.width; k < (i + 1u) * p.width; k++) {
    squares += vec2f(r[k] * r[k], x[k] * x[k]);
    inner += r[k] * x[k];
  }
  let inverse = vec2f(inverseLength(squares.x), inverseLength(squares.y));
  inverses[i] = inverse;
  scores[i] = inner * inverse.x * inverse.y;`,
  });
}

/** Cosines [E,E] of the rows of `mean`. */
function gramOnDevice(backend: WebGPUBackend, mean: TensorInfo): TensorInfo {
  const [experts, width] = mean.shape as [number, number];
  return runElementwise(backend, {
    inputs: { mean },
    outputs: { gram: { shape: [experts, experts] } },
    count: experts * experts,
    sizes: { experts, width },
    declarations: inverseLength(true),
    body: `
  let a = i / p.experts * p.width;
  let b = i % p.experts * p.width;
  var sums = vec3f(0.0);
  for (var k = 0u; k < p.width; k++) {
    sums += vec3f(mean[a + k] * mean[a + k], mean[b + k] * mean[b + k], mean[a + k] * mean[b + k]);
  }
  gram[i] = sums.z * inverseLength(sums.x) * inverseLength(sums.y);`,
  }).gram;
}

/** C_te = −s_te + λ·Σ_{i≠e} |s_ti|·G_ie² + β·relu(|s_te| − τ)². */
export function costOnDevice(
  backend: WebGPUBackend,
  scores: TensorInfo,
  gram: TensorInfo,
  { lambda, beta, tau }: Pick<RouterCostAttrs, 'lambda' | 'beta' | 'tau'>,
): TensorInfo {
  const [tokens, experts] = scores.shape as [number, number];
  return runElementwise(backend, {
    inputs: { scores, gram },
    outputs: { cost: { shape: [tokens, experts] } },
    count: tokens * experts,
    sizes: { experts },
    reals: { lambda, beta, tau },
    body: `
  let e = i % p.experts;
  let row = i - e;
  var repulsion = 0.0;
  for (var k = 0u; k < p.experts; k++) {
    let g = gram[k * p.experts + e];
    if (k != e) { repulsion += abs(scores[row + k]) * g * g; }
  }
  let over = max(abs(scores[i]) - p.tau, 0.0);
  cost[i] = p.lambda * repulsion - scores[i] + p.beta * over * over;`,
  }).cost;
}

/** Σ_{i≠e} ⟨R_ti, R_te⟩² [N]: an invocation a pair of experts, whose rows come from the cache. */
function specialityOnDevice(backend: WebGPUBackend, r: TensorInfo, inverses: TensorInfo): TensorInfo {
  const [tokens, experts, width] = r.shape as [number, number, number];
  return runShader(backend, {
    inputs: { r, inverses },
    outputs: { special: { shape: [tokens] } },
    types: { inverses: 'vec2f' },
    sizes: { experts, width },
    workgroupSize: 128,
    workgroups: tokens,
    ...workgroupReductions(backend, 'Sum'),
    body: `
  var part = 0.0;
  for (var pair = lane; pair < p.experts * p.experts; pair += WORKGROUP) {
    let a = pair / p.experts;
    let b = pair % p.experts;
    if (a >= b) { continue; }
    let rowA = (group * p.experts + a) * p.width;
    let rowB = (group * p.experts + b) * p.width;
    var inner = 0.0;
    for (var k = 0u; k < p.width; k++) { inner += r[rowA + k] * r[rowB + k]; }
    inner *= inverses[group * p.experts + a].x * inverses[group * p.experts + b].x;
    part += 2.0 * inner * inner;
  }
  let total = workgroupSum(part, lane);
  if (lane == 0u) { special[group] = total; }`,
  }).special;
}
