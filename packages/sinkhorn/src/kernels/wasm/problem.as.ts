/**
 * One group of experts as the kernels see it: the rows that are no padding, the experts that are open, and costs as
 * x = (cheapest open cost − cost)/ε ≤ 0, so that exp of them keeps float32's precision whatever |C|/ε is.
 */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';

/** Potential of a closed expert and of the lanes past the last one: exp of it is 0. */
@inline export const CLOSED: f32 = -1e30;

/** Rows whose float32 column sums are added up before they go into a float64 total. */
@inline export const BLOCK: i32 = 32;

@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }
@inline export function at8(base: usize, i: i32): usize { return base + (<usize>i << 3); }
@inline export function padded(w: i32): i32 { return (w + 3) & ~3; }

/** Tokens that are not padding, experts of the group, and those rounded up to whole vectors. */
export let n: i32 = 0;
export let w: i32 = 0;
export let w4: i32 = 0;
/** [n] each row's offset in bytes: in a tensor, and in working memory where that is apart (the same list if w = w4). */
export let given: usize = 0;
export let packed: usize = 0;
/** [w4] float64: column mass b, summing to n, 0 for closed experts and past the last one; column sums. */
export let b: usize = 0;
export let totals: usize = 0;
/** [w4] column sums of a block of rows; a row; 1e30 where `b` is 0; the lowest x of each lane. */
export let block: usize = 0;
export let row: usize = 0;
let penalty: usize = 0;
let anyClosed: bool = false;
export let lowest: usize = 0;
/** 1/ε in two parts, so that a product with it rounds as a division does. */
export let inverse: f64 = 0;
let high: f32 = 0;
let low: f32 = 0;

/** Bytes of the working memory that `prepare` takes. */
export function problemWork(N: i32, width: i32): i32 {
  return 28 * padded(width) + 8 * (N + 4) + 80;
}

/** Lays a problem out in `work`; returns the first free address. */
export function prepare(mask: usize, mass: usize, N: i32, stride: i32, width: i32, epsilon: f64, work: usize): usize {
  w = width;
  w4 = padded(width);
  b = work;
  totals = at8(b, w4);
  block = at8(totals, w4);
  row = at(block, w4);
  penalty = at(row, w4);
  lowest = at(penalty, w4);
  given = at(lowest, 4);
  packed = w == w4 ? given : at(given, N + 4);
  n = 0;
  for (let t = 0; t < N; t++) {
    if (mask != 0 && !(load<f32>(at(mask, t)) > 0)) continue;
    store<u32>(at(given, n), <u32>t * <u32>stride << 2);
    if (w != w4) store<u32>(at(packed, n), <u32>n * <u32>w4 << 2);
    n++;
  }
  inverse = 1.0 / epsilon;
  high = <f32>inverse;
  low = <f32>(inverse - <f64>high);
  columnMass(mass);
  return at(packed, N + 4);
}

function columnMass(mass: usize): void {
  let sum: f64 = 0;
  for (let e = 0; e < w; e++) sum += mass == 0 ? 1 : <f64>load<f32>(at(mass, e));
  anyClosed = w != w4;
  for (let e = 0; e < w4; e++) {
    const own: f64 = e >= w ? 0 : mass == 0 ? 1 : <f64>load<f32>(at(mass, e));
    const open = own > 0;
    anyClosed = anyClosed || !open;
    store<f64>(at8(b, e), open ? own * <f64>max(n, 1) / sum : 0);
    store<f32>(at(penalty, e), open ? 0 : 1e30);
  }
}

/** The costs of row l with whole vectors to read: where they lie, or copied to `row` with the first repeated. */
@inline export function costRow(cost: usize, l: i32): usize {
  const from = cost + load<u32>(at(given, l));
  if (w == w4) return from;
  memory.copy(row, from, <usize>w << 2);
  for (let e = w; e < w4; e++) store<f32>(at(row, e), load<f32>(from));
  return row;
}

/** The cheapest open cost of a row from `costRow`. */
@inline export function cheapest(from: usize, width: i32): f32 {
  let low4 = f32x4.splat(3e38);
  if (anyClosed) {
    for (let e = 0; e < width; e += 4) low4 = f32x4.pmin(low4, f32x4.add(v128.load(at(from, e)), v128.load(at(penalty, e))));
  } else {
    for (let e = 0; e < width; e += 4) low4 = f32x4.pmin(low4, v128.load(at(from, e)));
  }
  const pairs = f32x4.pmin(low4, i32x4.shuffle(low4, low4, 2, 3, 0, 1));
  return min(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** x = (base − cost)/ε of four costs. */
@inline export function scaled(base: v128, cost: v128): v128 {
  const d = f32x4.sub(base, cost);
  return madd(d, f32x4.splat(low), f32x4.mul(d, f32x4.splat(high)));
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
  memory.fill(block, 0, <usize>w4 * 4);
  memory.fill(totals, 0, <usize>w4 * 8);
}

/** Adds the float32 sums of a block to the float64 totals and clears them. */
export function flush(): void {
  const from = block, to = totals, width = w4, zero = f32x4.splat(0);
  for (let e = 0; e < width; e += 4) {
    const sums = v128.load(at(from, e));
    const first = at8(to, e), second = at8(to, e + 2);
    v128.store(first, f64x2.add(v128.load(first), f64x2.promote_low_f32x4(sums)));
    v128.store(second, f64x2.add(v128.load(second), f64x2.promote_low_f32x4(i32x4.shuffle(sums, sums, 2, 3, 2, 3))));
    v128.store(at(from, e), zero);
  }
}
