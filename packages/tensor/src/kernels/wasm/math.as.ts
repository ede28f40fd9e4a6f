/**
 * Vector maths in float32, four lanes at a time, for the kernels of every package (import it by relative path).
 * Everything is inlined. NaN in, NaN out; the limits at ±∞ are exact. Coefficients: Moshier's Cephes (single precision).
 */
import { madd } from './simd.as';

// Constants stand in memory, where `setMathConstants` puts them: V8 builds a constant vector anew at each use, from
// general registers, and spreads a global by two instructions; from memory it is one load.
let table: usize = 0;
const ROUND: usize = 0;  // 1.5·2^23: adding it rounds to the nearest integer, which then stands in the low bits
const LOG2E: usize = ROUND + 4;
const MINUS_LN2_HIGH: usize = LOG2E + 4;  // ln 2 in two parts
const MINUS_LN2_LOW: usize = MINUS_LN2_HIGH + 4;
const E7: usize = MINUS_LN2_LOW + 4;
const E6: usize = E7 + 4;
const E5: usize = E6 + 4;
const E4: usize = E5 + 4;
const E3: usize = E4 + 4;
const HALF: usize = E3 + 4;
const ONE: usize = HALF + 4;
const EXP_LOW: usize = ONE + 4;
const ROUND_WIDE: usize = EXP_LOW + 4;  // ROUND + 64: a result 2^64 times too large
const UNSCALE: usize = ROUND_WIDE + 4;  // 2^-64
const WIDE_LOW: usize = UNSCALE + 4;
const EXP_HIGH: usize = WIDE_LOW + 4;
const INFINITY: usize = EXP_HIGH + 4;
const SMALLEST: usize = INFINITY + 4;
const TWO23: usize = SMALLEST + 4;
const L1: usize = TWO23 + 4;
const L2: usize = L1 + 4;
const L3: usize = L2 + 4;
const L4: usize = L3 + 4;
const L5: usize = L4 + 4;
const L6: usize = L5 + 4;
const L7: usize = L6 + 4;
const L8: usize = L7 + 4;
const L9: usize = L8 + 4;
const MINUS_LN2_LOW_L: usize = L9 + 4;
const MINUS_HALF: usize = MINUS_LN2_LOW_L + 4;
const LN2_HIGH: usize = MINUS_HALF + 4;
const T1: usize = LN2_HIGH + 4;
const T2: usize = T1 + 4;
const T3: usize = T2 + 4;
const T4: usize = T3 + 4;
const T5: usize = T4 + 4;
const TWO: usize = T5 + 4;
const TANH_SMALL: usize = TWO + 4;
const R1: usize = TANH_SMALL + 4;
const R2: usize = R1 + 4;
const R3: usize = R2 + 4;
const R4: usize = R3 + 4;
const R5: usize = R4 + 4;
const R6: usize = R5 + 4;

/** Bytes of the constants. */
export function mathConstantBytes(): i32 {
  return <i32>R6 + 4;
}

/** Writes the constants to `address`, which stays this module's. Every module that imports this file re-exports both. */
export function setMathConstants(address: usize): void {
  table = address;
  store<f32>(address, 12582912, ROUND);
  store<f32>(address, 1.44269504088896341, LOG2E);
  store<f32>(address, -0.693359375, MINUS_LN2_HIGH);
  store<f32>(address, 2.12194440e-4, MINUS_LN2_LOW);
  store<f32>(address, 1.9875691500e-4, E7);
  store<f32>(address, 1.3981999507e-3, E6);
  store<f32>(address, 8.3334519073e-3, E5);
  store<f32>(address, 4.1665795894e-2, E4);
  store<f32>(address, 1.6666665459e-1, E3);
  store<f32>(address, 5.0000001201e-1, HALF);
  store<f32>(address, 1, ONE);
  store<f32>(address, -87.3365402, EXP_LOW);
  store<f32>(address, 12582976, ROUND_WIDE);
  store<f32>(address, 5.421010862427522e-20, UNSCALE);
  store<f32>(address, -104, WIDE_LOW);
  store<f32>(address, 88.7228317, EXP_HIGH);
  store<f32>(address, Infinity, INFINITY);
  store<f32>(address, 1.17549435e-38, SMALLEST);
  store<f32>(address, 8388608, TWO23);
  store<f32>(address, 7.0376836292e-2, L1);
  store<f32>(address, -1.1514610310e-1, L2);
  store<f32>(address, 1.1676998740e-1, L3);
  store<f32>(address, -1.2420140846e-1, L4);
  store<f32>(address, 1.4249322787e-1, L5);
  store<f32>(address, -1.6668057665e-1, L6);
  store<f32>(address, 2.0000714765e-1, L7);
  store<f32>(address, -2.4999993993e-1, L8);
  store<f32>(address, 3.3333331174e-1, L9);
  store<f32>(address, -2.12194440e-4, MINUS_LN2_LOW_L);
  store<f32>(address, -0.5, MINUS_HALF);
  store<f32>(address, 0.693359375, LN2_HIGH);
  store<f32>(address, -5.70498872745e-3, T1);
  store<f32>(address, 2.06390887954e-2, T2);
  store<f32>(address, -5.37397155531e-2, T3);
  store<f32>(address, 1.33314422036e-1, T4);
  store<f32>(address, -3.33332819422e-1, T5);
  store<f32>(address, 2, TWO);
  store<f32>(address, 0.625, TANH_SMALL);
  store<f32>(address, 0.3275911, R1);
  store<f32>(address, 1.061405429, R2);
  store<f32>(address, -1.453152027, R3);
  store<f32>(address, 1.421413741, R4);
  store<f32>(address, -0.284496736, R5);
  store<f32>(address, 0.254829592, R6);
}

/** e^(x − n·ln 2) for the whole number n nearest to x/ln 2: in [√½, √2]. */
@inline function expFraction(x: v128, n: v128): v128 {
  let r = madd(n, v128.load32_splat(table, MINUS_LN2_HIGH), x);
  r = madd(n, v128.load32_splat(table, MINUS_LN2_LOW), r);
  let p = madd(v128.load32_splat(table, E7), r, v128.load32_splat(table, E6));
  p = madd(p, r, v128.load32_splat(table, E5));
  p = madd(p, r, v128.load32_splat(table, E4));
  p = madd(p, r, v128.load32_splat(table, E3));
  p = madd(p, r, v128.load32_splat(table, HALF));
  p = madd(p, f32x4.mul(r, r), r);
  return f32x4.add(p, v128.load32_splat(table, ONE));
}

/** e^x, error below 2 ulp; 0 where the result would be denormal (below −87.34), ∞ above 88.72. */
@inline export function exp4(x: v128): v128 {
  const round = v128.load32_splat(table, ROUND);
  const t = madd(x, v128.load32_splat(table, LOG2E), round);
  // n stands in the low bits of t: add it to the exponent
  let p = i32x4.add(expFraction(x, f32x4.sub(t, round)), i32x4.shl(t, 23));
  p = v128.andnot(p, f32x4.lt(x, v128.load32_splat(table, EXP_LOW)));
  // past the end, and for NaN: x + ∞
  return v128.bitselect(p, f32x4.add(x, v128.load32_splat(table, INFINITY)), f32x4.le(x, v128.load32_splat(table, EXP_HIGH)));
}

/** e^x for x ≤ 44, down to the smallest denormal: the result is 2^64 times too large until the last product. */
@inline export function expWide4(value: v128): v128 {
  const x = f32x4.pmax(value, v128.load32_splat(table, WIDE_LOW));
  const round = v128.load32_splat(table, ROUND_WIDE);
  const t = madd(x, v128.load32_splat(table, LOG2E), round);
  const p = i32x4.add(expFraction(x, f32x4.sub(t, round)), i32x4.shl(t, 23));
  return f32x4.mul(p, v128.load32_splat(table, UNSCALE));
}

/** ln x, error below 2 ulp; −∞ at 0, NaN below. */
@inline export function log4(x: v128): v128 {
  const tiny = f32x4.lt(x, v128.load32_splat(table, SMALLEST));
  const scaled = v128.bitselect(f32x4.mul(x, v128.load32_splat(table, TWO23)), x, tiny);
  // mantissa in [√½, √2)
  const shifted = i32x4.sub(scaled, i32x4.splat(0x3f3504f3));
  let e = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  e = f32x4.sub(e, v128.and(tiny, f32x4.splat(23)));
  const m = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const r = f32x4.sub(m, v128.load32_splat(table, ONE));
  const z = f32x4.mul(r, r);
  let p = madd(v128.load32_splat(table, L1), r, v128.load32_splat(table, L2));
  p = madd(p, r, v128.load32_splat(table, L3));
  p = madd(p, r, v128.load32_splat(table, L4));
  p = madd(p, r, v128.load32_splat(table, L5));
  p = madd(p, r, v128.load32_splat(table, L6));
  p = madd(p, r, v128.load32_splat(table, L7));
  p = madd(p, r, v128.load32_splat(table, L8));
  p = madd(p, r, v128.load32_splat(table, L9));
  p = f32x4.mul(f32x4.mul(p, r), z);
  p = madd(e, v128.load32_splat(table, MINUS_LN2_LOW_L), p);
  p = madd(z, v128.load32_splat(table, MINUS_HALF), p);
  let y = madd(e, v128.load32_splat(table, LN2_HIGH), f32x4.add(r, p));
  // ∞ and NaN give themselves, 0 gives −∞, below 0 NaN
  const finite = f32x4.lt(x, v128.load32_splat(table, INFINITY));
  y = v128.bitselect(y, x, finite);
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
  return v128.bitselect(f32x4.splat(NaN), y, f32x4.lt(x, f32x4.splat(0)));
}

/** 1 / (1 + e^−x). */
@inline export function sigmoid4(x: v128): v128 {
  const one = v128.load32_splat(table, ONE);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** x / (1 + e^−x). */
@inline export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(v128.load32_splat(table, ONE), exp4(f32x4.neg(x))));
}

/** tanh x, error below 2 ulp. */
@inline export function tanh4(x: v128): v128 {
  const size = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  let p = madd(v128.load32_splat(table, T1), z, v128.load32_splat(table, T2));
  p = madd(p, z, v128.load32_splat(table, T3));
  p = madd(p, z, v128.load32_splat(table, T4));
  p = madd(p, z, v128.load32_splat(table, T5));
  const small = madd(f32x4.mul(p, z), x, x);
  const e = exp4(f32x4.add(size, size));
  const one = v128.load32_splat(table, ONE);
  const large = f32x4.sub(one, f32x4.div(v128.load32_splat(table, TWO), f32x4.add(e, one)));
  const signed = v128.or(large, v128.and(x, i32x4.splat(0x80000000)));
  return v128.bitselect(small, signed, f32x4.lt(size, v128.load32_splat(table, TANH_SMALL)));
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|). */
@inline export function softplus4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  // ln(1 + e), corrected for what the sum rounded away
  const u = f32x4.add(e, v128.load32_splat(table, ONE));
  const lost = f32x4.div(f32x4.sub(e, f32x4.sub(u, v128.load32_splat(table, ONE))), u);
  const y = f32x4.add(f32x4.pmax(x, f32x4.splat(0)), f32x4.add(log4(u), lost));
  return v128.bitselect(y, x, f32x4.eq(x, x));
}

/** The error function, absolute error below 1.5e-7 (Abramowitz & Stegun 7.1.26, as in tfjs). */
@inline export function erf4(x: v128): v128 {
  const size = f32x4.abs(x);
  const one = v128.load32_splat(table, ONE);
  const t = f32x4.div(one, madd(size, v128.load32_splat(table, R1), one));
  let p = madd(v128.load32_splat(table, R2), t, v128.load32_splat(table, R3));
  p = madd(p, t, v128.load32_splat(table, R4));
  p = madd(p, t, v128.load32_splat(table, R5));
  p = madd(p, t, v128.load32_splat(table, R6));
  const y = f32x4.sub(one, f32x4.mul(f32x4.mul(p, t), exp4(f32x4.neg(f32x4.mul(x, x)))));
  return v128.or(y, v128.and(x, i32x4.splat(0x80000000)));
}

/** The first `count` (1 to 3) floats at `address`, the other lanes 0. */
@inline export function loadPart(address: usize, count: i32): v128 {
  if (count == 1) return v128.load32_zero(address);
  const pair = v128.load64_zero(address);
  return count == 2 ? pair : v128.load32_lane(address, pair, 2, 8);
}

/** Stores the first `count` (1 to 3) lanes. */
@inline export function storePart(address: usize, value: v128, count: i32): void {
  if (count == 1) { v128.store32_lane(address, value, 0); return; }
  v128.store64_lane(address, value, 0);
  if (count == 3) v128.store32_lane(address, value, 2, 8);
}

// One number: the same code on one lane, for loops' ends and scalars.

@inline export function exp1(x: f32): f32 { return f32x4.extract_lane(exp4(f32x4.splat(x)), 0); }
/** `expWide4` of one number; that of 44 above it. */
@inline export function expWide1(x: f32): f32 { return f32x4.extract_lane(expWide4(f32x4.splat(min<f32>(x, 44))), 0); }
@inline export function log1(x: f32): f32 { return f32x4.extract_lane(log4(f32x4.splat(x)), 0); }
@inline export function sigmoid1(x: f32): f32 { return f32x4.extract_lane(sigmoid4(f32x4.splat(x)), 0); }
@inline export function tanh1(x: f32): f32 { return f32x4.extract_lane(tanh4(f32x4.splat(x)), 0); }
