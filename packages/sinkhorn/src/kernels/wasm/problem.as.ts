/**
 * One group of experts as the kernels see it: the rows that are no padding, the experts that are open, and costs as
 * x = (cheapest open cost − cost)/ε ≤ 0, so that exp of them keeps float32's precision whatever |C|/ε is.
 */
import { high, highPair, low, lowPair, madd } from '../../../../tensor/src/kernels/wasm/simd.as';

/** Potential of a closed expert and of the lanes past the last one: exp of it is 0. */
@inline export const CLOSED: f32 = -1e30;

/** Rows whose float32 column sums are added up before they go into a float64 total. */
@inline export const BLOCK: i32 = 32;

@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }
@inline export function at8(base: usize, i: i32): usize { return base + (<usize>i << 3); }
@inline export function padded(w: i32): i32 { return (w + 7) & ~7; }

/** Stores four pairs of vectors. */
@inline export function storePairs(to: usize, a0: v128, b0: v128, a1: v128, b1: v128, a2: v128, b2: v128, a3: v128, b3: v128): void {
  v128.store(to, a0); v128.store(to, b0, 16); v128.store(to, a1, 32); v128.store(to, b1, 48);
  v128.store(to, a2, 64); v128.store(to, b2, 80); v128.store(to, a3, 96); v128.store(to, b3, 112);
}

/** Tokens that are not padding, experts of the group, and those rounded up to whole vectors. */
export let n: i32 = 0;
/** Whether a token is padding. */
export let masked: bool = false;
export let w: i32 = 0;
export let w8: i32 = 0;
/** [n] each row's offset in bytes: in a tensor, and in working memory where that is apart (the same list if w = w8). */
export let given: usize = 0;
export let packed: usize = 0;
/** [w8] float64: column mass b, summing to n, 0 for closed experts and past the last one; column sums. */
export let b: usize = 0;
export let totals: usize = 0;
/** [w8] column sums of a block of rows; [4,w8] rows; [w8] 1e30 where `b` is 0. */
export let block: usize = 0;
export let row: usize = 0;
let penalty: usize = 0;
let anyClosed: bool = false;
/** 40 and 32 floats: results by lanes. V8's revectoriser joins pairs of vectors that end side by side in memory. */
export let lanes: usize = 0;
export let moreLanes: usize = 0;
/** 1/ε in two parts, so that a product with it rounds as a division does. */
export let inverse: f64 = 0;
let inverseHigh: f32 = 0;
let inverseLow: f32 = 0;

/** Bytes of the working memory that `prepare` takes. */
export function problemWork(N: i32, width: i32): i32 {
  return 40 * padded(width) + 8 * (N + 4) + 4 * 72 + 16;
}

/** Lays a problem out in `work`; returns the first free address. */
export function prepare(mask: usize, mass: usize, N: i32, stride: i32, width: i32, epsilon: f64, work: usize): usize {
  w = width;
  w8 = padded(width);
  b = work;
  totals = at8(b, w8);
  block = at8(totals, w8);
  row = at(block, w8);
  penalty = at(row, 4 * w8);
  lanes = at(penalty, w8);
  moreLanes = at(lanes, 40);
  given = at(moreLanes, 32);
  packed = w == w8 ? given : at(given, N + 4);
  n = 0;
  for (let t = 0; t < N; t++) {
    if (mask != 0 && !(load<f32>(at(mask, t)) > 0)) continue;
    store<u32>(at(given, n), <u32>t * <u32>stride << 2);
    if (w != w8) store<u32>(at(packed, n), <u32>n * <u32>w8 << 2);
    n++;
  }
  masked = n < N;
  inverse = 1.0 / epsilon;
  inverseHigh = <f32>inverse;
  inverseLow = <f32>(inverse - <f64>inverseHigh);
  columnMass(mass);
  return at(packed, N + 4);
}

function columnMass(mass: usize): void {
  let sum: f64 = 0;
  for (let e = 0; e < w; e++) sum += mass == 0 ? 1 : <f64>load<f32>(at(mass, e));
  anyClosed = w != w8;
  for (let e = 0; e < w8; e++) {
    const own: f64 = e >= w ? 0 : mass == 0 ? 1 : <f64>load<f32>(at(mass, e));
    const open = own > 0;
    anyClosed = anyClosed || !open;
    store<f64>(at8(b, e), open ? own * <f64>max(n, 1) / sum : 0);
    store<f32>(at(penalty, e), open ? 0 : 1e30);
  }
}

/** The costs of row l with whole vectors to read: where they lie, or copied to row `slot` with the first repeated. */
@inline export function costRow(cost: usize, l: i32, slot: i32): usize {
  const from = cost + load<u32>(at(given, l));
  if (w == w8) return from;
  const to = at(row, slot * w8);
  memory.copy(to, from, <usize>w << 2);
  for (let e = w; e < w8; e++) store<f32>(at(to, e), load<f32>(from));
  return to;
}

/** The cheapest open costs of four rows from `costRow`. */
@inline export function cheapest4(r0: usize, r1: usize, r2: usize, r3: usize, width: i32): v128 {
  const out = lanes;
  let a0 = f32x4.splat(3e38), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  if (anyClosed) {
    for (let e = 0; e < width; e += 8) {
      const y = v128.load(at(penalty, e)), z = v128.load(at(penalty, e), 16);
      a0 = f32x4.pmin(a0, f32x4.add(v128.load(at(r0, e)), y)); b0 = f32x4.pmin(b0, f32x4.add(v128.load(at(r0, e), 16), z));
      a1 = f32x4.pmin(a1, f32x4.add(v128.load(at(r1, e)), y)); b1 = f32x4.pmin(b1, f32x4.add(v128.load(at(r1, e), 16), z));
      a2 = f32x4.pmin(a2, f32x4.add(v128.load(at(r2, e)), y)); b2 = f32x4.pmin(b2, f32x4.add(v128.load(at(r2, e), 16), z));
      a3 = f32x4.pmin(a3, f32x4.add(v128.load(at(r3, e)), y)); b3 = f32x4.pmin(b3, f32x4.add(v128.load(at(r3, e), 16), z));
    }
  } else {
    for (let e = 0; e < width; e += 8) {
      a0 = f32x4.pmin(a0, v128.load(at(r0, e))); b0 = f32x4.pmin(b0, v128.load(at(r0, e), 16));
      a1 = f32x4.pmin(a1, v128.load(at(r1, e))); b1 = f32x4.pmin(b1, v128.load(at(r1, e), 16));
      a2 = f32x4.pmin(a2, v128.load(at(r2, e))); b2 = f32x4.pmin(b2, v128.load(at(r2, e), 16));
      a3 = f32x4.pmin(a3, v128.load(at(r3, e))); b3 = f32x4.pmin(b3, v128.load(at(r3, e), 16));
    }
  }
  storePairs(out, a0, b0, a1, b1, a2, b2, a3, b3);
  const c0 = f32x4.pmin(v128.load(out), v128.load(out, 16)), c1 = f32x4.pmin(v128.load(out, 32), v128.load(out, 48));
  const c2 = f32x4.pmin(v128.load(out, 64), v128.load(out, 80)), c3 = f32x4.pmin(v128.load(out, 96), v128.load(out, 112));
  const c01 = f32x4.pmin(low(c0, c1), high(c0, c1)), c23 = f32x4.pmin(low(c2, c3), high(c2, c3));
  return f32x4.pmin(lowPair(c01, c23), highPair(c01, c23));
}

/** x = (base − cost)/ε of four costs. */
@inline export function scaled(base: v128, cost: v128): v128 {
  const d = f32x4.sub(base, cost);
  return madd(d, f32x4.splat(inverseLow), f32x4.mul(d, f32x4.splat(inverseHigh)));
}

/** token·E + expert of the first NaN or infinite cost that is not padding, −1 if there is none. */
export function firstBad(cost: usize, mask: usize, N: i32, E: i32): i32 {
  for (let t = 0; t < N; t++) {
    if (mask != 0 && !(load<f32>(at(mask, t)) > 0)) continue;
    for (let e = t * E; e < (t + 1) * E; e++) {
      const v = load<f32>(at(cost, e));
      if (v - v != 0) return e; // x − x is 0, or NaN for NaN and infinities
    }
  }
  return -1;
}

export function clearSums(): void {
  memory.fill(block, 0, <usize>w8 * 4);
  memory.fill(totals, 0, <usize>w8 * 8);
}

/** Adds the float32 sums of a block to the float64 totals and clears them. */
export function flush(): void {
  const from = block, to = totals, width = w8, zero = f32x4.splat(0);
  for (let e = 0; e < width; e += 4) {
    const sums = v128.load(at(from, e));
    const first = at8(to, e), second = at8(to, e + 2);
    v128.store(first, f64x2.add(v128.load(first), f64x2.promote_low_f32x4(sums)));
    v128.store(second, f64x2.add(v128.load(second), f64x2.promote_low_f32x4(i32x4.shuffle(sums, sums, 2, 3, 2, 3))));
    v128.store(at(from, e), zero);
  }
}
