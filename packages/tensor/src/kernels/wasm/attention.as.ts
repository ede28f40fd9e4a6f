/**
 * Causal attention by blocks of queries: the scores of a block against the keys that it can see are a matrix
 * product, masked and exponentiated in place, times the values. No [length, keys] matrix is ever stored; the backward
 * pass makes the probabilities again from the rows' log-sum-exp (Dao et al. 2022 recompute the same way).
 *
 * A block is 60 queries of one head, so that a float of a key or value serves 120 flops (300 backward); its scores, 240
 * bytes a key, stay in the L2 cache up to two thousand keys.
 *
 * q, out [batch, length, heads, width or valueWidth]; k, v [batch, keys, keyHeads, …]; lse [batch, heads, length].
 * Query i stands at position keys − length + i. It sees the keys of its own document, at its own position and
 * before, the last `window` of them (0: all). Documents may be 0 (none given); a negative one is padding.
 */
import { gemm } from './gemm.as';
import { exp4, log1 } from './math.as';
import { maxRun } from './reduce.as';
import { madd, sumLanes } from './simd.as';

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

// The block that the walk is in, set by `enterBlock`.
/** Queries of it. */
let rows: i32 = 0;
/** Position of its first query. */
let first: i32 = 0;
/** The keys it sees: start … end. */
let start: i32 = 0;
let end: i32 = 0;
let count: i32 = 0;
/** Bytes of a row of scores. */
let row: usize = 0;

/** The block of queries from i on. */
function enterBlock(i: i32, queryDocuments: usize, keyDocuments: usize): void {
  rows = min(BLOCK, length - i);
  first = keys - length + i;
  end = first + rows;
  start = blockStart(queryDocuments == 0 ? <usize>0 : queryDocuments + (<usize>i << 2), keyDocuments);
  count = end - start;
  row = <usize>((count + 3) & ~3) << 2;
}

/** Floats of one block of scores, and of a row's worth of sums beside it. */
export function attentionBlock(): i32 {
  return BLOCK * ((keys + 3) & ~3) + BLOCK;
}

/** The first key that the query at `position` may see by its window. */
@inline function windowStart(position: i32): i32 {
  return window > 0 ? max(0, position - window + 1) : 0;
}

/** The first key that any query of the block sees; a multiple of 4. */
function blockStart(queryDocuments: usize, keyDocuments: usize): i32 {
  const low = windowStart(first);
  if (queryDocuments == 0) return low & ~3;
  let found = end;
  for (let r = 0; r < rows; r++) {
    const document = load<i32>(queryDocuments + (<usize>r << 2));
    if (document < 0) continue;
    let j = windowStart(first + r);
    const last = min(found, first + r + 1);
    while (j < last && load<i32>(keyDocuments + (<usize>j << 2)) != document) j++;
    if (j < last) found = j;
  }
  return found & ~3;
}

/** Stores −∞ at `from` to `to`. */
@inline function hide(row: usize, from: i32, to: i32): void {
  for (let j = from; j < to; j++) store<f32>(row + (<usize>j << 2), -Infinity);
}

/**
 * Hides the scores of the r-th row that its query, r-th from i on, may not see: keys start … end, a multiple of 4 of
 * them with what fills the row up.
 */
function maskRow(scores: usize, r: i32, i: i32, queryDocuments: usize, keyDocuments: usize): void {
  const position = first + r;
  const document = queryDocuments == 0 ? 0 : load<i32>(queryDocuments + (<usize>(i + r) << 2));
  const low = max(0, windowStart(position) - start), high = position + 1 - start;
  const padded = (count + 3) & ~3;
  if (keyDocuments != 0 && document < 0) { hide(scores, 0, padded); return; }
  hide(scores, 0, min(low, padded));
  hide(scores, max(0, high), padded);
  if (keyDocuments == 0) return;
  const documents = keyDocuments + (<usize>start << 2);
  const mine = i32x4.splat(document), hidden = f32x4.splat(-Infinity);
  const visible = min(high, count);
  let j = low & ~3;
  for (; j + 4 <= visible; j += 4) {
    const at = scores + (<usize>j << 2);
    v128.store(at, v128.bitselect(v128.load(at), hidden, i32x4.eq(v128.load(documents + (<usize>j << 2)), mine)));
  }
  for (; j < visible; j++) {
    if (load<i32>(documents + (<usize>j << 2)) != document) store<f32>(scores + (<usize>j << 2), -Infinity);
  }
}

/** row = e^(scale·row − shift) for a multiple of 4 of scores; returns the sum. */
function expRow(row: usize, n: i32, shift: f32): f32 {
  const c = f32x4.splat(scale), s = f32x4.splat(-shift);
  let a = f32x4.splat(0), b = a;
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    const p = exp4(madd(v128.load(row), c, s)), q = exp4(madd(v128.load(row, 16), c, s));
    v128.store(row, p); v128.store(row, q, 16);
    a = f32x4.add(a, p); b = f32x4.add(b, q);
    row += 32;
  }
  if (j < n) {
    const p = exp4(madd(v128.load(row), c, s));
    v128.store(row, p);
    a = f32x4.add(a, p);
  }
  return sumLanes(f32x4.add(a, b));
}

/** `work`: one block of scores, then the product's scratch. lse is +∞ where a query sees no key. */
export function attention(
  q: usize, k: usize, v: usize, out: usize, lse: usize,
  batch: i32, queryDocuments: usize, keyDocuments: usize, work: usize, gemmWork: usize,
): void {
  const qRow = <usize>(heads * width) << 2, kRow = <usize>(keyHeads * width) << 2;
  const vRow = <usize>(keyHeads * valueWidth) << 2, outRow = <usize>(heads * valueWidth) << 2;
  const group = heads / keyHeads;
  const sums = work + (<usize>(attentionBlock() - BLOCK) << 2);
  for (let b = 0; b < batch; b++) {
    const qDocs: usize = queryDocuments == 0 ? <usize>0 : queryDocuments + (<usize>(b * length) << 2);
    const kDocs: usize = keyDocuments == 0 ? <usize>0 : keyDocuments + (<usize>(b * keys) << 2);
    for (let i = 0; i < length; i += BLOCK) {
      enterBlock(i, qDocs, kDocs);
      for (let h = 0; h < heads; h++) {
        const g = h / group;
        const qBlock = q + <usize>(b * length + i) * qRow + (<usize>(h * width) << 2);
        const outBlock = out + <usize>(b * length + i) * outRow + (<usize>(h * valueWidth) << 2);
        const lseBlock = lse + (<usize>((b * heads + h) * length + i) << 2);
        const kFrom = k + <usize>(b * keys + start) * kRow + (<usize>(g * width) << 2);
        const vFrom = v + <usize>(b * keys + start) * vRow + (<usize>(g * valueWidth) << 2);
        gemm(rows, count, width, qBlock, qRow, 4, kFrom, 4, kRow, work, row, false, gemmWork);
        for (let r = 0; r < rows; r++) {
          const scores = work + <usize>r * row;
          maskRow(scores, r, i, qDocs, kDocs);
          const top = maxRun(scores, (count + 3) & ~3) * scale;
          let total: f32 = 0;
          if (top == -Infinity) memory.fill(scores, 0, row);
          else total = expRow(scores, (count + 3) & ~3, top);
          store<f32>(sums + (<usize>r << 2), top == -Infinity ? 0 : 1 / total);
          store<f32>(lseBlock + (<usize>r << 2), top == -Infinity ? Infinity : top + log1(total));
        }
        gemm(rows, valueWidth, count, work, row, 4, vFrom, vRow, 4, outBlock, outRow, false, gemmWork);
        for (let r = 0; r < rows; r++) {
          scaleRow(outBlock + <usize>r * outRow, valueWidth, load<f32>(sums + (<usize>r << 2)));
        }
      }
    }
  }
}

function scaleRow(row: usize, n: i32, by: f32): void {
  const c = f32x4.splat(by);
  let j = 0;
  for (; j + 4 <= n; j += 4) { v128.store(row, f32x4.mul(v128.load(row), c)); row += 16; }
  for (; j < n; j++) { store<f32>(row, load<f32>(row) * by); row += 4; }
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
      enterBlock(i, qDocs, kDocs);
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
          const shift = load<f32>(lseBlock + (<usize>r << 2));
          const scores = work + <usize>r * row;
          maskRow(scores, r, i, qDocs, kDocs);
          expRow(scores, (count + 3) & ~3, shift);
          const mean = dot(dout + atOut + <usize>r * outRow, out + atOut + <usize>r * outRow, valueWidth);
          slopeRow(scores, slopes + <usize>r * row, count, mean);
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
