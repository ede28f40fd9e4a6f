/**
 * Vector maths in float32, four lanes at a time, for the kernels of every package (import it by relative path).
 * Everything is inlined. NaN in, NaN out; the limits at ±∞ are exact. Coefficients: Moshier's Cephes (single precision).
 */
import { madd } from './simd.as';

// Constants are mutable globals, made opaque by `keepMathConstants`: V8 builds a constant vector anew at each use,
// from general registers, which costs more than the arithmetic; a global is loaded and spread. Without that call the
// compiler folds them: the same results, half the speed.
let ROUND: f32 = 12582912;  // 1.5·2^23: adding it rounds to the nearest integer, which then stands in the low bits
let LOG2E: f32 = 1.44269504088896341;
let MINUS_LN2_HIGH: f32 = -0.693359375;  // ln 2 in two parts
let MINUS_LN2_LOW: f32 = 2.12194440e-4;
let E7: f32 = 1.9875691500e-4;
let E6: f32 = 1.3981999507e-3;
let E5: f32 = 8.3334519073e-3;
let E4: f32 = 4.1665795894e-2;
let E3: f32 = 1.6666665459e-1;
let HALF: f32 = 5.0000001201e-1;
let ONE: f32 = 1;
let EXP_LOW: f32 = -87.3365402;
let ROUND_WIDE: f32 = 12582976;  // ROUND + 64: a result 2^64 times too large
let UNSCALE: f32 = 5.421010862427522e-20;  // 2^-64
let WIDE_LOW: f32 = -104;
let EXP_HIGH: f32 = 88.7228317;
let INFINITY: f32 = Infinity;
let SMALLEST: f32 = 1.17549435e-38;
let TWO23: f32 = 8388608;
let L1: f32 = 7.0376836292e-2;
let L2: f32 = -1.1514610310e-1;
let L3: f32 = 1.1676998740e-1;
let L4: f32 = -1.2420140846e-1;
let L5: f32 = 1.4249322787e-1;
let L6: f32 = -1.6668057665e-1;
let L7: f32 = 2.0000714765e-1;
let L8: f32 = -2.4999993993e-1;
let L9: f32 = 3.3333331174e-1;
let MINUS_LN2_LOW_L: f32 = -2.12194440e-4;
let MINUS_HALF: f32 = -0.5;
let LN2_HIGH: f32 = 0.693359375;
let T1: f32 = -5.70498872745e-3;
let T2: f32 = 2.06390887954e-2;
let T3: f32 = -5.37397155531e-2;
let T4: f32 = 1.33314422036e-1;
let T5: f32 = -3.33332819422e-1;
let TWO: f32 = 2;
let TANH_SMALL: f32 = 0.625;
let R1: f32 = 0.3275911;
let R2: f32 = 1.061405429;
let R3: f32 = -1.453152027;
let R4: f32 = 1.421413741;
let R5: f32 = -0.284496736;
let R6: f32 = 0.254829592;

/** Makes the constants opaque to the compiler: `one` must be 1. Every module that imports this file re-exports it. */
export function keepMathConstants(one: f32): void {
  ROUND *= one;
  LOG2E *= one;
  MINUS_LN2_HIGH *= one;
  MINUS_LN2_LOW *= one;
  E7 *= one;
  E6 *= one;
  E5 *= one;
  E4 *= one;
  E3 *= one;
  HALF *= one;
  ONE *= one;
  EXP_LOW *= one;
  ROUND_WIDE *= one;
  UNSCALE *= one;
  WIDE_LOW *= one;
  EXP_HIGH *= one;
  INFINITY *= one;
  SMALLEST *= one;
  TWO23 *= one;
  L1 *= one;
  L2 *= one;
  L3 *= one;
  L4 *= one;
  L5 *= one;
  L6 *= one;
  L7 *= one;
  L8 *= one;
  L9 *= one;
  MINUS_LN2_LOW_L *= one;
  MINUS_HALF *= one;
  LN2_HIGH *= one;
  T1 *= one;
  T2 *= one;
  T3 *= one;
  T4 *= one;
  T5 *= one;
  TWO *= one;
  TANH_SMALL *= one;
  R1 *= one;
  R2 *= one;
  R3 *= one;
  R4 *= one;
  R5 *= one;
  R6 *= one;
}

/** e^(x − n·ln 2) for the whole number n nearest to x/ln 2: in [√½, √2]. */
@inline function expFraction(x: v128, n: v128): v128 {
  let r = madd(n, f32x4.splat(MINUS_LN2_HIGH), x);
  r = madd(n, f32x4.splat(MINUS_LN2_LOW), r);
  let p = madd(f32x4.splat(E7), r, f32x4.splat(E6));
  p = madd(p, r, f32x4.splat(E5));
  p = madd(p, r, f32x4.splat(E4));
  p = madd(p, r, f32x4.splat(E3));
  p = madd(p, r, f32x4.splat(HALF));
  p = madd(p, f32x4.mul(r, r), r);
  return f32x4.add(p, f32x4.splat(ONE));
}

/** e^x, error below 2 ulp; 0 where the result would be denormal (below −87.34), ∞ above 88.72. */
@inline export function exp4(x: v128): v128 {
  const round = f32x4.splat(ROUND);
  const t = madd(x, f32x4.splat(LOG2E), round);
  // n stands in the low bits of t: add it to the exponent
  let p = i32x4.add(expFraction(x, f32x4.sub(t, round)), i32x4.shl(t, 23));
  p = v128.andnot(p, f32x4.lt(x, f32x4.splat(EXP_LOW)));
  // past the end, and for NaN: x + ∞
  return v128.bitselect(p, f32x4.add(x, f32x4.splat(INFINITY)), f32x4.le(x, f32x4.splat(EXP_HIGH)));
}

/** e^x for x ≤ 44, down to the smallest denormal: the result is 2^64 times too large until the last product. */
@inline export function expWide4(value: v128): v128 {
  const x = f32x4.pmax(value, f32x4.splat(WIDE_LOW));
  const round = f32x4.splat(ROUND_WIDE);
  const t = madd(x, f32x4.splat(LOG2E), round);
  const p = i32x4.add(expFraction(x, f32x4.sub(t, round)), i32x4.shl(t, 23));
  return f32x4.mul(p, f32x4.splat(UNSCALE));
}

/** ln x, error below 2 ulp; −∞ at 0, NaN below. */
@inline export function log4(x: v128): v128 {
  const tiny = f32x4.lt(x, f32x4.splat(SMALLEST));
  const scaled = v128.bitselect(f32x4.mul(x, f32x4.splat(TWO23)), x, tiny);
  // mantissa in [√½, √2)
  const shifted = i32x4.sub(scaled, i32x4.splat(0x3f3504f3));
  let e = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  e = f32x4.sub(e, v128.and(tiny, f32x4.splat(23)));
  const m = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3));
  const r = f32x4.sub(m, f32x4.splat(ONE));
  const z = f32x4.mul(r, r);
  let p = madd(f32x4.splat(L1), r, f32x4.splat(L2));
  p = madd(p, r, f32x4.splat(L3));
  p = madd(p, r, f32x4.splat(L4));
  p = madd(p, r, f32x4.splat(L5));
  p = madd(p, r, f32x4.splat(L6));
  p = madd(p, r, f32x4.splat(L7));
  p = madd(p, r, f32x4.splat(L8));
  p = madd(p, r, f32x4.splat(L9));
  p = f32x4.mul(f32x4.mul(p, r), z);
  p = madd(e, f32x4.splat(MINUS_LN2_LOW_L), p);
  p = madd(z, f32x4.splat(MINUS_HALF), p);
  let y = madd(e, f32x4.splat(LN2_HIGH), f32x4.add(r, p));
  // ∞ and NaN give themselves, 0 gives −∞, below 0 NaN
  const finite = f32x4.lt(x, f32x4.splat(INFINITY));
  y = v128.bitselect(y, x, finite);
  y = v128.bitselect(f32x4.splat(-Infinity), y, f32x4.eq(x, f32x4.splat(0)));
  return v128.bitselect(f32x4.splat(NaN), y, f32x4.lt(x, f32x4.splat(0)));
}

/** 1 / (1 + e^−x). */
@inline export function sigmoid4(x: v128): v128 {
  const one = f32x4.splat(ONE);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}

/** x / (1 + e^−x). */
@inline export function silu4(x: v128): v128 {
  return f32x4.div(x, f32x4.add(f32x4.splat(ONE), exp4(f32x4.neg(x))));
}

/** tanh x, error below 2 ulp. */
@inline export function tanh4(x: v128): v128 {
  const size = f32x4.abs(x);
  const z = f32x4.mul(x, x);
  let p = madd(f32x4.splat(T1), z, f32x4.splat(T2));
  p = madd(p, z, f32x4.splat(T3));
  p = madd(p, z, f32x4.splat(T4));
  p = madd(p, z, f32x4.splat(T5));
  const small = madd(f32x4.mul(p, z), x, x);
  const e = exp4(f32x4.add(size, size));
  const one = f32x4.splat(ONE);
  const large = f32x4.sub(one, f32x4.div(f32x4.splat(TWO), f32x4.add(e, one)));
  const signed = v128.or(large, v128.and(x, i32x4.splat(0x80000000)));
  return v128.bitselect(small, signed, f32x4.lt(size, f32x4.splat(TANH_SMALL)));
}

/** ln(1 + e^x) = max(x, 0) + ln(1 + e^−|x|). */
@inline export function softplus4(x: v128): v128 {
  const e = exp4(f32x4.neg(f32x4.abs(x)));
  // ln(1 + e), corrected for what the sum rounded away
  const u = f32x4.add(e, f32x4.splat(ONE));
  const lost = f32x4.div(f32x4.sub(e, f32x4.sub(u, f32x4.splat(ONE))), u);
  const y = f32x4.add(f32x4.pmax(x, f32x4.splat(0)), f32x4.add(log4(u), lost));
  return v128.bitselect(y, x, f32x4.eq(x, x));
}

/** The error function, absolute error below 1.5e-7 (Abramowitz & Stegun 7.1.26, as in tfjs). */
@inline export function erf4(x: v128): v128 {
  const size = f32x4.abs(x);
  const one = f32x4.splat(ONE);
  const t = f32x4.div(one, madd(size, f32x4.splat(R1), one));
  let p = madd(f32x4.splat(R2), t, f32x4.splat(R3));
  p = madd(p, t, f32x4.splat(R4));
  p = madd(p, t, f32x4.splat(R5));
  p = madd(p, t, f32x4.splat(R6));
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
