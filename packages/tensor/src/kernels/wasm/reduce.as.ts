/**
 * Sum and maximum over the middle axis of [outer, count, inner]. The order of additions is fixed, and long sums
 * are added in parts, so that the error grows with the length of a part and not of the sum.
 */
import { madd, maxLanes, sumLanes } from './simd.as';

/** Elements of a part of a contiguous sum; the parts are added in float64. */
const PART: i32 = 2048;

/** out[o, i] = scale · Σ_r x[o, r, i]. */
export function sumAxis(x: usize, out: usize, outer: i32, count: i32, inner: i32, scale: f32): void {
  if (inner == 1) {
    for (let o = 0; o < outer; o++) {
      store<f32>(out, <f32>(sumRun(x, count) * <f64>scale));
      x += <usize>count << 2;
      out += 4;
    }
    return;
  }
  const row = <usize>inner << 2;
  for (let o = 0; o < outer; o++) {
    memory.fill(out, 0, row);
    let r = 0;
    for (; r + 8 <= count; r += 8) { addRows8(x, row, out, inner); x += 8 * row; }
    for (; r < count; r++) { addRow(x, out, inner); x += row; }
    if (scale != 1) scaleRow(out, inner, scale);
    out += row;
  }
}

function sumRun(x: usize, count: i32): f64 { return run(x, count, false); }

/** Σ x², parts as in a sum: 2 flops a float, as fast as memory. */
export function sumSquares(x: usize, count: i32): f64 { return run(x, count, true); }

@inline function term(value: v128, squared: bool, sum: v128): v128 {
  return squared ? madd(value, value, sum) : f32x4.add(sum, value);
}

@inline function run(x: usize, count: i32, squared: bool): f64 {
  let total: f64 = 0;
  let i = 0;
  while (i < count) {
    const end = min(count, i + PART);
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    for (; i + 16 <= end; i += 16) {
      s0 = term(v128.load(x), squared, s0); s1 = term(v128.load(x, 16), squared, s1);
      s2 = term(v128.load(x, 32), squared, s2); s3 = term(v128.load(x, 48), squared, s3);
      x += 64;
    }
    for (; i + 4 <= end; i += 4) { s0 = term(v128.load(x), squared, s0); x += 16; }
    total += <f64>sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
    for (; i < end; i++) {
      const value = <f64>load<f32>(x);
      total += squared ? value * value : value;
      x += 4;
    }
  }
  return total;
}

/** out += the sum of eight rows, added in pairs. */
function addRows8(x: usize, row: usize, out: usize, n: i32): void {
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    let p = x;
    let a = v128.load(p); p += row;
    a = f32x4.add(a, v128.load(p)); p += row;
    let b = v128.load(p); p += row;
    b = f32x4.add(b, v128.load(p)); p += row;
    let c = v128.load(p); p += row;
    c = f32x4.add(c, v128.load(p)); p += row;
    let d = v128.load(p); p += row;
    d = f32x4.add(d, v128.load(p));
    v128.store(out, f32x4.add(v128.load(out), f32x4.add(f32x4.add(a, b), f32x4.add(c, d))));
    x += 16; out += 16;
  }
  for (; j < n; j++) {
    let p = x;
    let s: f32 = 0;
    for (let r = 0; r < 8; r++) { s += load<f32>(p); p += row; }
    store<f32>(out, load<f32>(out) + s);
    x += 4; out += 4;
  }
}

function addRow(x: usize, out: usize, n: i32): void {
  let j = 0;
  for (; j + 4 <= n; j += 4) { v128.store(out, f32x4.add(v128.load(out), v128.load(x))); x += 16; out += 16; }
  for (; j < n; j++) { store<f32>(out, load<f32>(out) + load<f32>(x)); x += 4; out += 4; }
}

function scaleRow(out: usize, n: i32, scale: f32): void {
  const s = f32x4.splat(scale);
  let j = 0;
  for (; j + 4 <= n; j += 4) { v128.store(out, f32x4.mul(v128.load(out), s)); out += 16; }
  for (; j < n; j++) { store<f32>(out, load<f32>(out) * scale); out += 4; }
}

/** out[o, i] = max_r x[o, r, i]; −∞ over no rows; NaN wins. */
export function maxAxis(x: usize, out: usize, outer: i32, count: i32, inner: i32): void {
  if (inner == 1) {
    for (let o = 0; o < outer; o++) {
      store<f32>(out, maxRun(x, count));
      x += <usize>count << 2;
      out += 4;
    }
    return;
  }
  const row = <usize>inner << 2;
  for (let o = 0; o < outer; o++) {
    for (let j: usize = 0; j < row; j += 4) store<f32>(out + j, -Infinity);
    for (let r = 0; r < count; r++) {
      let j: usize = 0;
      // a NaN in `out` stays, as pmax(a, b) is a < b ? b : a; one in x is put there
      for (; j + 16 <= row; j += 16) {
        const b = v128.load(x + j);
        v128.store(out + j, v128.bitselect(f32x4.pmax(v128.load(out + j), b), b, f32x4.eq(b, b)));
      }
      for (; j < row; j += 4) store<f32>(out + j, max<f32>(load<f32>(out + j), load<f32>(x + j)));
      x += row;
    }
    out += row;
  }
}

/** The largest of `count` contiguous floats; NaN if any is NaN. */
export function maxRun(x: usize, count: i32): f32 {
  // pmax passes over NaNs, which are noted beside it: a fraction of the instructions of f32x4.max
  let m0 = f32x4.splat(-Infinity), m1 = m0;
  let nan = f32x4.splat(0);
  let i = 0;
  for (; i + 8 <= count; i += 8) {
    const a = v128.load(x), b = v128.load(x, 16);
    m0 = f32x4.pmax(m0, a); m1 = f32x4.pmax(m1, b);
    nan = v128.or(nan, v128.or(f32x4.ne(a, a), f32x4.ne(b, b)));
    x += 32;
  }
  let m: f32 = v128.any_true(nan) ? <f32>NaN : maxLanes(f32x4.pmax(m0, m1));
  for (; i < count; i++) { m = max<f32>(m, load<f32>(x)); x += 4; }
  return m;
}
