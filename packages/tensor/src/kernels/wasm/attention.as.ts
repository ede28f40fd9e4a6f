/**
 * Causal attention by blocks of queries: the scores of a block against the keys that it can see are a matrix
 * product, masked and exponentiated in place, times the values. No [length, keys] matrix is ever stored; the backward
 * pass makes the probabilities again from the rows' log-sum-exp (Dao et al. 2022 recompute the same way).
 *
 * q, out [batch, length, heads, width or valueWidth]; k, v [batch, keys, keyHeads, …]; lse [batch, heads, length].
 * Query i stands at position keys − length + i. It sees the keys of its own document, at its own position and
 * before, the last `window` of them (0: all). Documents may be 0 (none given); a negative one is padding.
 */
import { gemm } from './gemm.as';
import { exp4, log1 } from './math.as';
import { maxLanes, sumLanes } from './simd.as';

/** Queries of a block; a multiple of the product's tile height. */
const BLOCK: i32 = 60;

// The call's sizes, set by `attentionShape`: the functions below share them.
let length: i32 = 0;
let keys: i32 = 0;
let heads: i32 = 0;
let keyHeads: i32 = 0;
let width: i32 = 0;
let valueWidth: i32 = 0;
let window: i32 = 0;
let scale: f32 = 0;

export function attentionShape(
  lengthOf: i32, keysOf: i32, headsOf: i32, keyHeadsOf: i32, widthOf: i32, valueWidthOf: i32, windowOf: i32, scaleOf: f32,
): void {
  length = lengthOf; keys = keysOf; heads = headsOf; keyHeads = keyHeadsOf;
  width = widthOf; valueWidth = valueWidthOf; window = windowOf; scale = scaleOf;
}

/** Floats of one block of scores. */
export function attentionBlock(): i32 {
  return BLOCK * ((keys + 3) & ~3);
}

/** The first key that the query at `position` may see by its window. */
// @ts-ignore: decorator
@inline function windowStart(position: i32): i32 {
  return window > 0 ? max(0, position - window + 1) : 0;
}

/** The first key that any of `rows` queries from position `first` on sees; a multiple of 4. */
function blockStart(first: i32, rows: i32, queryDocuments: usize, keyDocuments: usize): i32 {
  const low = windowStart(first);
  if (queryDocuments == 0) return low & ~3;
  let start = first + rows;
  for (let r = 0; r < rows; r++) {
    const document = load<i32>(queryDocuments + (<usize>r << 2));
    if (document < 0) continue;
    let j = windowStart(first + r);
    const end = min(start, first + r + 1);
    while (j < end && load<i32>(keyDocuments + (<usize>j << 2)) != document) j++;
    if (j < end) start = j;
  }
  return start & ~3;
}

/** All bits where keys j … j + 3 may be seen: low ≤ j ≤ position, and of the document. */
// @ts-ignore: decorator
@inline function visible(j: i32, low: i32, position: i32, document: i32, keyDocuments: usize, at: usize): v128 {
  const index = i32x4.add(i32x4.splat(j), i32x4(0, 1, 2, 3));
  let mask = v128.and(i32x4.ge_s(index, i32x4.splat(low)), i32x4.le_s(index, i32x4.splat(position)));
  if (keyDocuments != 0) {
    // the last three keys are compared one by one: reading on could leave the memory
    const documents = j + 4 <= keys ? v128.load(at) : lastDocuments(j, at);
    mask = v128.and(mask, i32x4.eq(documents, i32x4.splat(document)));
  }
  return mask;
}

function lastDocuments(j: i32, at: usize): v128 {
  let documents = i32x4.splat(-1);
  documents = v128.load32_lane(at, documents, 0);
  if (j + 1 < keys) documents = v128.load32_lane(at, documents, 1, 4);
  if (j + 2 < keys) documents = v128.load32_lane(at, documents, 2, 8);
  return documents;
}

/**
 * scores → e^(scale·score − shift), 0 where masked, for one row of keys from `start` (a multiple of 4) to `end`.
 * With `given` the shift is `lse`, else the row's maximum. Returns the sum; sets `rowShift`.
 */
let rowShift: f32 = 0;
function expMasked(
  row: usize, start: i32, end: i32, position: i32, document: i32, keyDocuments: usize, given: bool, lse: f32,
): f32 {
  const low = windowStart(position);
  const factor = f32x4.splat(scale);
  const none = document < 0 && keyDocuments != 0;
  let top = lse;
  if (!given) {
    let m = f32x4.splat(-Infinity);
    for (let j = start; j < end; j += 4) {
      const at = row + (<usize>(j - start) << 2);
      const s = f32x4.mul(v128.load(at), factor);
      const mask = visible(j, low, position, document, keyDocuments, keyDocuments + (<usize>j << 2));
      m = f32x4.max(m, v128.bitselect(s, f32x4.splat(-Infinity), mask));
    }
    top = none ? -Infinity : maxLanes(m);
  }
  rowShift = top;
  if (none || top == -Infinity || top == Infinity && given) {
    for (let j = start; j < end; j += 4) v128.store(row + (<usize>(j - start) << 2), f32x4.splat(0));
    rowShift = -Infinity;
    return 0;
  }
  const shift = f32x4.splat(top);
  let total = f32x4.splat(0);
  for (let j = start; j < end; j += 4) {
    const at = row + (<usize>(j - start) << 2);
    const e = exp4(f32x4.sub(f32x4.mul(v128.load(at), factor), shift));
    const p = v128.and(e, visible(j, low, position, document, keyDocuments, keyDocuments + (<usize>j << 2)));
    v128.store(at, p);
    total = f32x4.add(total, p);
  }
  return sumLanes(total);
}

/** `work`: one block of scores, then the product's scratch. lse is +∞ where a query sees no key. */
export function attention(
  q: usize, k: usize, v: usize, out: usize, lse: usize,
  batch: i32, queryDocuments: usize, keyDocuments: usize, work: usize, gemmWork: usize,
): void {
  const qRow = <usize>(heads * width) << 2, kRow = <usize>(keyHeads * width) << 2;
  const vRow = <usize>(keyHeads * valueWidth) << 2, outRow = <usize>(heads * valueWidth) << 2;
  const group = heads / keyHeads;
  for (let b = 0; b < batch; b++) {
    const qDocs: usize = queryDocuments == 0 ? <usize>0 : queryDocuments + (<usize>(b * length) << 2);
    const kDocs: usize = keyDocuments == 0 ? <usize>0 : keyDocuments + (<usize>(b * keys) << 2);
    for (let i = 0; i < length; i += BLOCK) {
      const rows = min(BLOCK, length - i);
      const first = keys - length + i;
      const end = first + rows;
      const start = blockStart(first, rows, qDocs == 0 ? <usize>0 : qDocs + (<usize>i << 2), kDocs);
      const count = end - start;
      const row = <usize>((count + 3) & ~3) << 2;
      for (let h = 0; h < heads; h++) {
        const g = h / group;
        const qBlock = q + <usize>(b * length + i) * qRow + (<usize>(h * width) << 2);
        const outBlock = out + <usize>(b * length + i) * outRow + (<usize>(h * valueWidth) << 2);
        const lseBlock = lse + (<usize>((b * heads + h) * length + i) << 2);
        const kFrom = k + <usize>(b * keys + start) * kRow + (<usize>(g * width) << 2);
        const vFrom = v + <usize>(b * keys + start) * vRow + (<usize>(g * valueWidth) << 2);
        gemm(rows, count, width, qBlock, qRow, 4, kFrom, 4, kRow, work, row, false, gemmWork);
        for (let r = 0; r < rows; r++) {
          const document = qDocs == 0 ? 0 : load<i32>(qDocs + (<usize>(i + r) << 2));
          const scores = work + <usize>r * row;
          const total = expMasked(scores, start, end, first + r, document, kDocs, false, 0);
          scaleRow(scores, count, total == 0 ? 0 : 1 / total);
          store<f32>(lseBlock + (<usize>r << 2), rowShift == -Infinity ? Infinity : rowShift + log1(total));
        }
        gemm(rows, valueWidth, count, work, row, 4, vFrom, vRow, 4, outBlock, outRow, false, gemmWork);
      }
    }
  }
}

function scaleRow(row: usize, n: i32, by: f32): void {
  const c = f32x4.splat(by);
  for (let j = 0; j < n; j += 4) { v128.store(row, f32x4.mul(v128.load(row), c)); row += 16; }
}

/**
 * Gradients of q, k and v. `work`: two blocks of scores. With P the probabilities and D = rowsum(dout ⊙ out):
 * dV = Pᵀ·dout, dS = P ⊙ (dout·Vᵀ − D)·scale, dQ = dS·K, dK = dSᵀ·Q.
 */
export function attentionGrad(
  q: usize, k: usize, v: usize, out: usize, lse: usize, dout: usize, dq: usize, dk: usize, dv: usize,
  batch: i32, queryDocuments: usize, keyDocuments: usize, work: usize, gemmWork: usize,
): void {
  const qRow = <usize>(heads * width) << 2, kRow = <usize>(keyHeads * width) << 2;
  const vRow = <usize>(keyHeads * valueWidth) << 2, outRow = <usize>(heads * valueWidth) << 2;
  const group = heads / keyHeads;
  const slopes = work + (<usize>attentionBlock() << 2);
  memory.fill(dk, 0, <usize>(batch * keys) * kRow);
  memory.fill(dv, 0, <usize>(batch * keys) * vRow);
  for (let b = 0; b < batch; b++) {
    const qDocs: usize = queryDocuments == 0 ? <usize>0 : queryDocuments + (<usize>(b * length) << 2);
    const kDocs: usize = keyDocuments == 0 ? <usize>0 : keyDocuments + (<usize>(b * keys) << 2);
    for (let i = 0; i < length; i += BLOCK) {
      const rows = min(BLOCK, length - i);
      const first = keys - length + i;
      const end = first + rows;
      const start = blockStart(first, rows, qDocs == 0 ? <usize>0 : qDocs + (<usize>i << 2), kDocs);
      const count = end - start;
      const row = <usize>((count + 3) & ~3) << 2;
      for (let h = 0; h < heads; h++) {
        const g = h / group;
        const atQ = <usize>(b * length + i) * qRow + (<usize>(h * width) << 2);
        const atOut = <usize>(b * length + i) * outRow + (<usize>(h * valueWidth) << 2);
        const atK = <usize>(b * keys + start) * kRow + (<usize>(g * width) << 2);
        const atV = <usize>(b * keys + start) * vRow + (<usize>(g * valueWidth) << 2);
        const lseBlock = lse + (<usize>((b * heads + h) * length + i) << 2);
        gemm(rows, count, width, q + atQ, qRow, 4, k + atK, 4, kRow, work, row, false, gemmWork);
        gemm(rows, count, valueWidth, dout + atOut, outRow, 4, v + atV, 4, vRow, slopes, row, false, gemmWork);
        for (let r = 0; r < rows; r++) {
          const document = qDocs == 0 ? 0 : load<i32>(qDocs + (<usize>(i + r) << 2));
          const shift = load<f32>(lseBlock + (<usize>r << 2));
          expMasked(work + <usize>r * row, start, end, first + r, document, kDocs, true, shift);
          const mean = dot(dout + atOut + <usize>r * outRow, out + atOut + <usize>r * outRow, valueWidth);
          slopeRow(work + <usize>r * row, slopes + <usize>r * row, count, mean);
        }
        gemm(count, valueWidth, rows, work, 4, row, dout + atOut, outRow, 4, dv + atV, vRow, true, gemmWork);
        gemm(rows, width, count, slopes, row, 4, k + atK, kRow, 4, dq + atQ, qRow, false, gemmWork);
        gemm(count, width, rows, slopes, 4, row, q + atQ, qRow, 4, dk + atK, kRow, true, gemmWork);
      }
    }
  }
}

function dot(a: usize, b: usize, n: i32): f32 {
  let s = f32x4.splat(0);
  let i = 0;
  for (; i + 4 <= n; i += 4) { s = f32x4.add(s, f32x4.mul(v128.load(a), v128.load(b))); a += 16; b += 16; }
  let total = sumLanes(s);
  for (; i < n; i++) { total += load<f32>(a) * load<f32>(b); a += 4; b += 4; }
  return total;
}

/** slopes = p ⊙ (slopes − mean)·scale; exactly 0 where p is, whatever stands in the padding. */
function slopeRow(p: usize, slopes: usize, n: i32, mean: f32): void {
  const m = f32x4.splat(mean), c = f32x4.splat(scale);
  const zero = f32x4.splat(0);
  for (let j = 0; j < n; j += 4) {
    const p4 = v128.load(p);
    const s = f32x4.mul(f32x4.mul(p4, f32x4.sub(v128.load(slopes), m)), c);
    v128.store(slopes, v128.andnot(s, f32x4.eq(p4, zero)));
    p += 16; slopes += 16;
  }
}
