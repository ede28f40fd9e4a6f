/**
 * Short row vectors of D floats, any D (16 at a time, as most are short and a loop's turn costs as much as its work): dot products, multiples, unit lengths. What ends in a sum over lanes, a root or a
 * division comes for four rows at a time too, which then share it.
 */
import { laneSums, madd, sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';

/** Squared length under which a vector has no direction. */
@inline const SHORTEST: f32 = 1e-12;

@inline export function at(base: usize, i: i32): usize { return base + (<usize>i << 2); }

/** ⟨a, b⟩ over D floats. */
@inline export function dot(a: usize, b: usize, D: i32): f32 {
  let sum = f32x4.splat(0);
  let d = 0;
  for (; d + 4 <= D; d += 4) sum = madd(v128.load(at(a, d)), v128.load(at(b, d)), sum);
  let total = sumLanes(sum);
  for (; d < D; d++) total += load<f32>(at(a, d)) * load<f32>(at(b, d));
  return total;
}

/** ⟨a_j, b_j⟩ of four rows, `aStep` and `bStep` bytes apart (0: one row for all). */
@inline export function dots4(a: usize, aStep: usize, b: usize, bStep: usize, D: i32): v128 {
  const end = <usize>D << 2;
  const a1 = a + aStep, a2 = a1 + aStep, a3 = a2 + aStep, b1 = b + bStep, b2 = b1 + bStep, b3 = b2 + bStep;
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
  let d: usize = 0;
  for (; d + 16 <= end; d += 16) {
    s0 = madd(v128.load(a + d), v128.load(b + d), s0);
    s1 = madd(v128.load(a1 + d), v128.load(b1 + d), s1);
    s2 = madd(v128.load(a2 + d), v128.load(b2 + d), s2);
    s3 = madd(v128.load(a3 + d), v128.load(b3 + d), s3);
  }
  let sums = laneSums(s0, s1, s2, s3);
  for (; d < end; d += 4) {
    const left = f32x4(load<f32>(a + d), load<f32>(a1 + d), load<f32>(a2 + d), load<f32>(a3 + d));
    const right = f32x4(load<f32>(b + d), load<f32>(b1 + d), load<f32>(b2 + d), load<f32>(b3 + d));
    sums = madd(left, right, sums);
  }
  return sums;
}

/** ⟨a_e, b_e⟩ of `rows` rows to `out`. */
export function rowDots(rows: i32, D: i32, a: usize, aStep: usize, b: usize, bStep: usize, out: usize): void {
  let e = 0;
  for (; e + 4 <= rows; e += 4) {
    v128.store(at(out, e), dots4(a, aStep, b, bStep, D));
    a += 4 * aStep;
    b += 4 * bStep;
  }
  for (; e < rows; e++) {
    store<f32>(at(out, e), dot(a, b, D));
    a += aStep;
    b += bStep;
  }
}

/** y += factor·x over D floats. */
@inline export function addMultiple(y: usize, factor: f32, x: usize, D: i32): void {
  const f = f32x4.splat(factor);
  let d = 0;
  for (; d + 16 <= D; d += 16) {
    const from = at(x, d), to = at(y, d);
    const y0 = madd(f, v128.load(from), v128.load(to)), y1 = madd(f, v128.load(from, 16), v128.load(to, 16));
    const y2 = madd(f, v128.load(from, 32), v128.load(to, 32)), y3 = madd(f, v128.load(from, 48), v128.load(to, 48));
    v128.store(to, y0); v128.store(to, y1, 16); v128.store(to, y2, 32); v128.store(to, y3, 48);
  }
  for (; d + 4 <= D; d += 4) v128.store(at(y, d), madd(f, v128.load(at(x, d)), v128.load(at(y, d))));
  for (; d < D; d++) store<f32>(at(y, d), load<f32>(at(y, d)) + factor * load<f32>(at(x, d)));
}

/** y = factor·x over D floats. */
@inline export function multiple(y: usize, factor: f32, x: usize, D: i32): void {
  const f = f32x4.splat(factor);
  let d = 0;
  for (; d + 16 <= D; d += 16) {
    const from = at(x, d), to = at(y, d);
    v128.store(to, f32x4.mul(f, v128.load(from))); v128.store(to, f32x4.mul(f, v128.load(from, 16)), 16);
    v128.store(to, f32x4.mul(f, v128.load(from, 32)), 32); v128.store(to, f32x4.mul(f, v128.load(from, 48)), 48);
  }
  for (; d + 4 <= D; d += 4) v128.store(at(y, d), f32x4.mul(f, v128.load(at(x, d))));
  for (; d < D; d++) store<f32>(at(y, d), factor * load<f32>(at(x, d)));
}

/** 1/‖x_e‖ of `rows` rows of D floats to `out`; 0 under 1e-6, where there is no direction. */
export function inverseLengths(rows: i32, D: i32, x: usize, out: usize): void {
  const step = <usize>D << 2, one = f32x4.splat(1), shortest = f32x4.splat(SHORTEST);
  rowDots(rows, D, x, step, x, step, out);
  let e = 0;
  for (; e + 4 <= rows; e += 4) {
    const squared = v128.load(at(out, e));
    v128.store(at(out, e), v128.and(f32x4.div(one, f32x4.sqrt(squared)), f32x4.ge(squared, shortest)));
  }
  for (; e < rows; e++) {
    const squared = load<f32>(at(out, e));
    store<f32>(at(out, e), squared >= SHORTEST ? <f32>1 / sqrt<f32>(squared) : 0);
  }
}

/** out_e = factors_e·x_e of `rows` rows. */
export function scaleRows(rows: i32, D: i32, x: usize, factors: usize, out: usize): void {
  for (let e = 0; e < rows; e++) multiple(at(out, e * D), load<f32>(at(factors, e)), at(x, e * D), D);
}
