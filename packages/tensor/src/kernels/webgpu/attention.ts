/** Causal attention with an online softmax (Dao et al. 2022): one pass over the keys that a tile of queries sees. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  accumulate,
  attentionDeclarations,
  attentionSizes,
  attentionUniforms,
  fitsAttention,
  type Operand,
  PLACE,
  SIDE,
  sumsOf,
  tileProduct,
  WORKGROUP,
} from './attention-tile.ts';
import { runShader } from './shader.ts';

export type AttentionTensors = Readonly<Record<'q' | 'k' | 'v', TensorInfo>> &
  Readonly<Partial<Record<'queryDocuments' | 'keyDocuments', TensorInfo | undefined>>>;

export interface AttentionScaling {
  readonly window: number;
  readonly scale: number;
}

/** Query rows from `base`, and keys from `base`. */
export const ROWS = (array: string, base: string): Operand => ({
  array,
  head: r => `headAt(${base} + ${r})`,
  inside: r => `${base} + ${r} < rows`,
});
export const KEYS = (array: string, base: string): Operand => ({
  array,
  head: r => `keyAt(${base} + ${r})`,
  inside: r => `${base} + ${r} < p.keys`,
});

/** The keys that the rows from `firstRow` on see: `firstKey` and `endKey`, whole tiles. */
export const KEY_RANGE = `
  let offset = p.keys - p.length;
  let lastRow = min(rows, firstRow + SIDE) - 1u;
  let endKey = offset + rowPosition(lastRow) + 1u;
  let earliest = offset + rowPosition(firstRow) + 1u;
  var firstKey = 0u;
  if (p.window > 0u && earliest > p.window) { firstKey = (earliest - p.window) / SIDE * SIDE; }`;

/** [result [B,S,heads,e], ln Σ e^score [B,heads,S], −1e30 where a query sees no key] */
export function attentionOnDevice(
  backend: WebGPUBackend,
  { q, k, v, queryDocuments, keyDocuments }: AttentionTensors,
  { window, scale }: AttentionScaling,
): TensorInfo[] | undefined {
  const sizes = attentionSizes(q, k, v);
  if (!fitsAttention(sizes)) return undefined;
  const { batch, length, heads, keyHeads, valueWidth } = sizes;
  const tiles = Math.ceil((length * heads) / keyHeads / SIDE);
  const document =
    queryDocuments === undefined ? undefined : 'queryDocuments[batch * p.length + rowPosition(row)]';
  const { mixed, normaliser } = runShader(backend, {
    inputs: { q, k, v, queryDocuments, keyDocuments },
    outputs: {
      mixed: { shape: [batch, length, heads, valueWidth] },
      normaliser: { shape: [batch, heads, length] },
    },
    sizes: { tiles, ...attentionUniforms(sizes, window) },
    reals: { scale },
    workgroupSize: WORKGROUP,
    workgroups: batch * keyHeads * tiles,
    declarations: `${attentionDeclarations(sizes, document)}
var<workgroup> scores: array<f32, ${SIDE * (SIDE + 1)}>;
var<workgroup> shares: array<f32, ${SIDE * (SIDE + 1)}>;`,
    body: `${PLACE}
  let firstRow = tileIndex * SIDE;
${KEY_RANGE}
  var most = HIDDEN;
  var total = 0.0;
${sumsOf('sums', valueWidth)}
  for (var key0 = firstKey; key0 < endKey; key0 += SIDE) {
${tileProduct('product', ROWS('q', 'firstRow'), KEYS('k', 'key0'), 'D')}
    let seen = visible(firstRow + i, key0 + j);
    let score = select(HIDDEN, product * p.scale, seen);
    scores[i * (SIDE + 1u) + j] = score;
    workgroupBarrier();
    var higher = most;
    for (var r = 0u; r < SIDE; r++) { higher = max(higher, scores[i * (SIDE + 1u) + r]); }
    shares[i * (SIDE + 1u) + j] = select(0.0, exp(score - higher), seen);
    workgroupBarrier();
    let shrink = exp(most - higher);
    most = higher;
    total *= shrink;
    for (var r = 0u; r < SIDE; r++) { total += shares[i * (SIDE + 1u) + r]; }
    for (var m = 0u; m < ${Math.ceil(valueWidth / SIDE)}u; m++) { sums[m] *= shrink; }
${accumulate('sums', r => `shares[i * (SIDE + 1u) + ${r}]`, KEYS('v', 'key0'), 'V', 'j')}
  }
  if (firstRow + i < rows) {
    let inverse = select(0.0, 1.0 / total, total > 0.0);
    for (var c = j; c < V; c += SIDE) { mixed[headAt(firstRow + i) * V + c] = sums[c / SIDE] * inverse; }
    if (j == 0u) { normaliser[statAt(firstRow + i)] = select(HIDDEN, most + log(total), total > 0.0); }
  }`,
  });
  return [mixed, normaliser];
}
