/** exp of four floats over the whole float32 range, and logarithms in float64. No tables: the module owns no memory. */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';

/**
 * exp(x), within 1 ulp, with denormal results (a plan has them, and so have the gradients of nearly one-hot rows); 0 below
 * −104 and finite above 88. exp(x) = 2ⁿ·exp(r), r = x − n·ln 2 in two parts, the polynomial of Cephes' expf.
 */
// @ts-ignore: decorator
@inline export function expf4(value: v128): v128 {
  const x = f32x4.pmax(f32x4.splat(-104.0), f32x4.pmin(f32x4.splat(88.7), value));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504088896341)));
  let r = madd(n, f32x4.splat(-0.693359375), x);
  r = madd(n, f32x4.splat(2.12194440e-4), r);
  let p = f32x4.splat(1.9875691500e-4);
  p = madd(p, r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1.0));
  // 2ⁿ in two factors: n goes down to −150, a float's exponent only to −126
  const whole = i32x4.trunc_sat_f32x4_s(n);
  const half = i32x4.shr_s(whole, 1);
  const rest = i32x4.sub(whole, half);
  const scale = i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23);
  const scaleRest = i32x4.shl(i32x4.add(rest, i32x4.splat(127)), 23);
  return f32x4.mul(f32x4.mul(p, scale), scaleRest);
}

/** exp of one float, as `expf4`. */
// @ts-ignore: decorator
@inline export function expf(x: f32): f32 {
  return f32x4.extract_lane(expf4(f32x4.splat(x)), 0);
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
