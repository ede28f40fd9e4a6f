/** exp of four floats down to float32's smallest denormal, and logarithms in float64. No tables: the module owns no memory. */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';

// Mutable globals that `keepMathConstants` makes opaque: V8 loads and spreads those, where it builds a constant anew at
// each use. The polynomial is that of Cephes' expf.
let LOWEST: f32 = -104;
let LOG2E: f32 = 1.44269504088896341;
let ROUND: f32 = 12582976;  // 1.5·2^23 + 64: adding it rounds to the nearest integer, which stands in the low bits, plus 64
let MINUS_LN2_HIGH: f32 = -0.693359375;
let MINUS_LN2_LOW: f32 = 2.12194440e-4;
let E7: f32 = 1.9875691500e-4;
let E6: f32 = 1.3981999507e-3;
let E5: f32 = 8.3334519073e-3;
let E4: f32 = 4.1665795894e-2;
let E3: f32 = 1.6666665459e-1;
let HALF: f32 = 5.0000001201e-1;
let ONE: f32 = 1;
let UNSCALE: f32 = 5.421010862427522e-20;  // 2^-64

/** Makes the constants opaque to the compiler: `one` must be 1. Called when the module is instantiated. */
export function keepMathConstants(one: f32): void {
  LOWEST *= one;
  LOG2E *= one;
  ROUND *= one;
  MINUS_LN2_HIGH *= one;
  MINUS_LN2_LOW *= one;
  E7 *= one;
  E6 *= one;
  E5 *= one;
  E4 *= one;
  E3 *= one;
  HALF *= one;
  ONE *= one;
  UNSCALE *= one;
}

/**
 * exp(x) for x ≤ 44, within 1 ulp. Unlike the shared `exp4` it gives denormals, which a plan has, and the gradients of
 * nearly one-hot rows consist of: the result is scaled by 2^64 until the last product.
 */
// @ts-ignore: decorator
@inline export function expf4(value: v128): v128 {
  const x = f32x4.pmax(f32x4.splat(LOWEST), value);
  const round = f32x4.splat(ROUND);
  const t = madd(x, f32x4.splat(LOG2E), round);
  const n = f32x4.sub(t, round);
  let r = madd(n, f32x4.splat(MINUS_LN2_HIGH), x);
  r = madd(n, f32x4.splat(MINUS_LN2_LOW), r);
  let p = madd(f32x4.splat(E7), r, f32x4.splat(E6));
  p = madd(p, r, f32x4.splat(E5));
  p = madd(p, r, f32x4.splat(E4));
  p = madd(p, r, f32x4.splat(E3));
  p = madd(p, r, f32x4.splat(HALF));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(ONE));
  return f32x4.mul(i32x4.add(p, i32x4.shl(t, 23)), f32x4.splat(UNSCALE));
}

/** exp of one float; that of 44 above it. */
// @ts-ignore: decorator
@inline export function expf(x: f32): f32 {
  return f32x4.extract_lane(expf4(f32x4.splat(min<f32>(x, 44))), 0);
}

/** The natural logarithm of a positive normal float64: 2·atanh((m − 1)/(m + 1)) with the mantissa in [√½, √2]. */
export function ln(x: f64): f64 {
  const bits = reinterpret<u64>(x);
  let exponent = <i32>((bits >> 52) & 0x7ff) - 1023;
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    exponent++;
  }
  const s = (m - 1.0) / (m + 1.0);
  const z = s * s;
  let p = 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  return 2.0 * (s + s * z * p) + <f64>exponent * 0.6931471805599453;
}
