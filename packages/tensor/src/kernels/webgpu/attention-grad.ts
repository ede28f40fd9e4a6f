/**
 * The gradient of causal attention: probabilities are made again from the stored normalisers. One shader a tile of
 * queries gives dq, one a tile of keys dk and dv, so that no sum needs atomics.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type AttentionScaling, type AttentionTensors, KEY_RANGE, KEYS, ROWS } from './attention.ts';
import {
  type AttentionSizes,
  accumulate,
  attentionDeclarations,
  attentionSizes,
  attentionUniforms,
  fitsAttention,
  PLACE,
  SIDE,
  sumsOf,
  tileProduct,
  WORKGROUP,
} from './attention-tile.ts';
import { runElementwise } from './elementwise.ts';
import { releaseTensors, runShader } from './shader.ts';

export type AttentionGradTensors = AttentionTensors &
  Readonly<Record<'out' | 'normaliser' | 'dy', TensorInfo>>;

/** [dq, dk, dv] */
export function attentionGradOnDevice(
  backend: WebGPUBackend,
  inputs: AttentionGradTensors,
  scaling: AttentionScaling,
): TensorInfo[] | undefined {
  const { q, k, v, dy, keyDocuments } = inputs;
  const sizes = attentionSizes(q, k, v);
  if (!fitsAttention(sizes)) return undefined;
  const stats = statistics(backend, inputs, sizes);
  const shared = { q, k, v, dy, stats, keyDocuments };
  const dq = queryGrad(backend, shared, sizes, scaling);
  const [dk, dv] = keyGrads(backend, shared, sizes, scaling);
  releaseTensors(backend, stats);
  return [dq, dk, dv];
}

/** [B,heads,S] of (normaliser, Σ dy ⊙ out, document) as bits: what a query's row needs, in one binding. */
function statistics(
  backend: WebGPUBackend,
  { out, normaliser, dy, queryDocuments }: AttentionGradTensors,
  { batch, length, heads, valueWidth }: AttentionSizes,
): TensorInfo {
  return runElementwise(backend, {
    inputs: { out, normaliser, dy, queryDocuments },
    outputs: { stats: { shape: [batch, heads, length, 4] } },
    types: { stats: 'vec4u' },
    count: batch * heads * length,
    sizes: { length, heads, width: valueWidth },
    body: `
  let s = i % p.length;
  let b = i / (p.length * p.heads);
  let row = ((b * p.length + s) * p.heads + i / p.length % p.heads) * p.width;
  var sum = 0.0;
  for (var c = 0u; c < p.width; c++) { sum += dy[row + c] * out[row + c]; }
  let document = ${queryDocuments === undefined ? '0u' : 'bitcast<u32>(queryDocuments[b * p.length + s])'};
  stats[i] = vec4u(bitcast<u32>(normaliser[i]), bitcast<u32>(sum), document, 0u);`,
  }).stats;
}

interface Shared {
  readonly q: TensorInfo;
  readonly k: TensorInfo;
  readonly v: TensorInfo;
  readonly dy: TensorInfo;
  readonly stats: TensorInfo;
  readonly keyDocuments: TensorInfo | undefined;
}

function declarations(sizes: AttentionSizes, documents: boolean): string {
  return `${attentionDeclarations(sizes, documents ? 'bitcast<i32>(stats[statAt(row)].z)' : undefined)}
var<workgroup> slopes: array<f32, ${SIDE * (SIDE + 1)}>;
var<workgroup> shares: array<f32, ${SIDE * (SIDE + 1)}>;`;
}

/** `share` and `slope` of the invocation's score: p, and p·(dp − Σ dp·p)·scale. */
const SCORE = `
${tileProduct('product', ROWS('q', 'row0'), KEYS('k', 'key0'), 'D')}
${tileProduct('cotangent', ROWS('dy', 'row0'), KEYS('v', 'key0'), 'V')}
    var share = 0.0;
    var slope = 0.0;
    if (visible(row0 + i, key0 + j)) {
      let stat = stats[statAt(row0 + i)];
      share = exp(product * p.scale - bitcast<f32>(stat.x));
      slope = share * (cotangent - bitcast<f32>(stat.y)) * p.scale;
    }
    shares[i * (SIDE + 1u) + j] = share;
    slopes[i * (SIDE + 1u) + j] = slope;
    workgroupBarrier();`;

function queryGrad(
  backend: WebGPUBackend,
  { q, k, v, dy, stats, keyDocuments }: Shared,
  sizes: AttentionSizes,
  { window, scale }: AttentionScaling,
): TensorInfo {
  const { batch, length, heads, keyHeads, width } = sizes;
  const tiles = Math.ceil((length * heads) / keyHeads / SIDE);
  return runShader(backend, {
    inputs: { q, k, v, dy, stats, keyDocuments },
    outputs: { dq: { shape: q.shape } },
    types: { stats: 'vec4u' },
    sizes: { tiles, ...attentionUniforms(sizes, window) },
    reals: { scale },
    workgroupSize: WORKGROUP,
    workgroups: batch * keyHeads * tiles,
    declarations: declarations(sizes, keyDocuments !== undefined),
    body: `${PLACE}
  let firstRow = tileIndex * SIDE;
  let row0 = firstRow;
${KEY_RANGE}
${sumsOf('sums', width)}
  for (var key0 = firstKey; key0 < endKey; key0 += SIDE) {
${SCORE}
${accumulate('sums', r => `slopes[i * (SIDE + 1u) + ${r}]`, KEYS('k', 'key0'), 'D', 'j')}
  }
  if (row0 + i < rows) {
    for (var c = j; c < D; c += SIDE) { dq[headAt(row0 + i) * D + c] = sums[c / SIDE]; }
  }`,
  }).dq;
}

function keyGrads(
  backend: WebGPUBackend,
  { q, k, v, dy, stats, keyDocuments }: Shared,
  sizes: AttentionSizes,
  { window, scale }: AttentionScaling,
): [TensorInfo, TensorInfo] {
  const { batch, keys, keyHeads, width, valueWidth } = sizes;
  const tiles = Math.ceil(keys / SIDE);
  const { dk, dv } = runShader(backend, {
    inputs: { q, k, v, dy, stats, keyDocuments },
    outputs: { dk: { shape: k.shape }, dv: { shape: v.shape } },
    types: { stats: 'vec4u' },
    sizes: { tiles, ...attentionUniforms(sizes, window) },
    reals: { scale },
    workgroupSize: WORKGROUP,
    workgroups: batch * keyHeads * tiles,
    declarations: declarations(sizes, keyDocuments !== undefined),
    // for the sums, row i of the tile is a key and j its channel
    body: `${PLACE}
  let key0 = tileIndex * SIDE;
  let offset = p.keys - p.length;
  // positions from the first key on see it, up to a window after the last one
  let firstRow = (max(key0, offset) - offset) * REP / SIDE * SIDE;
  var endRow = rows;
  if (p.window > 0u) { endRow = min(rows, (max(key0 + SIDE + p.window, offset) - offset) * REP); }
${sumsOf('keySums', width)}
${sumsOf('valueSums', valueWidth)}
  for (var row0 = firstRow; row0 < endRow; row0 += SIDE) {
${SCORE}
${accumulate('keySums', r => `slopes[${r} * (SIDE + 1u) + i]`, ROWS('q', 'row0'), 'D', 'j')}
${accumulate('valueSums', r => `shares[${r} * (SIDE + 1u) + i]`, ROWS('dy', 'row0'), 'V', 'j')}
  }
  if (key0 + i < p.keys) {
    for (var c = j; c < D; c += SIDE) { dk[keyAt(key0 + i) * D + c] = keySums[c / SIDE]; }
    for (var c = j; c < V; c += SIDE) { dv[keyAt(key0 + i) * V + c] = valueSums[c / SIDE]; }
  }`,
  });
  return [dk, dv];
}
