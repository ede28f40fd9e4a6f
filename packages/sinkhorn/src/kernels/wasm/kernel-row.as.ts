/**
 * Kernel rows K = 2^z, z = ((cheapest − cost)/ε + g)·log₂ e, in one sweep: exponents to the base 2 need no reduction beyond
 * a rounding. About 16 operations an entry on 4 bytes read and 4 written, in pairs of vectors.
 */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { at } from './problem.as';

// 2^r = 1 + r·p(r) for |r| ≤ ½, relative error 1.1e-7. Mutable, so that V8 loads them instead of building them at each use.
let ROUND: f32 = 12582912;
let P4: f32 = 0.00132647269;
let P3: f32 = 0.009671512661;
let P2: f32 = 0.05550733744;
let P1: f32 = 0.2402224208;
let P0: f32 = 0.6931469776;
let ONE: f32 = 1;
let FLOOR: f32 = -126;

/** Makes the constants opaque to the compiler, as `keepMathConstants` does. */
export function keepKernelConstants(one: f32): void {
  ROUND *= one;
  P4 *= one;
  P3 *= one;
  P2 *= one;
  P1 *= one;
  P0 *= one;
  ONE *= one;
  FLOOR *= one;
}

/**
 * Writes a row of K to `to` and its sum by lanes to `sum` (8 floats). `low`, `high`: log₂ e/ε in two parts; `g`: potentials times
 * log₂ e, at most 0. An entry is at least 2⁻¹²⁶. `lowest` (8 floats) takes the lowest of the cheapest cost less a cost so far.
 */
@inline export function kernelRow(from: usize, to: usize, cheapest: f32, low: f32, high: f32, g: usize, sum: usize, lowest: usize, width: i32): void {
  const base = f32x4.splat(cheapest), low4 = f32x4.splat(low), high4 = f32x4.splat(high);
  let least0 = v128.load(lowest), least1 = v128.load(lowest, 16), sum0 = f32x4.splat(0), sum1 = sum0;
  for (let e = 0; e < width; e += 8) {
    const d0 = f32x4.sub(base, v128.load(at(from, e))), d1 = f32x4.sub(base, v128.load(at(from, e), 16));
    least0 = f32x4.pmin(d0, least0); least1 = f32x4.pmin(d1, least1);
    let z0 = madd(d0, low4, v128.load(at(g, e))), z1 = madd(d1, low4, v128.load(at(g, e), 16));
    const floor = f32x4.splat(FLOOR);
    z0 = f32x4.pmax(madd(d0, high4, z0), floor); z1 = f32x4.pmax(madd(d1, high4, z1), floor);
    const round = f32x4.splat(ROUND);
    const t0 = f32x4.add(z0, round), t1 = f32x4.add(z1, round);
    const r0 = f32x4.sub(z0, f32x4.sub(t0, round)), r1 = f32x4.sub(z1, f32x4.sub(t1, round));
    const c4 = f32x4.splat(P4), c3 = f32x4.splat(P3), c2 = f32x4.splat(P2), c1 = f32x4.splat(P1), c0 = f32x4.splat(P0);
    let p0 = madd(c4, r0, c3), p1 = madd(c4, r1, c3);
    p0 = madd(p0, r0, c2); p1 = madd(p1, r1, c2);
    p0 = madd(p0, r0, c1); p1 = madd(p1, r1, c1);
    p0 = madd(p0, r0, c0); p1 = madd(p1, r1, c0);
    const one = f32x4.splat(ONE);
    // the whole number stands in the low bits of t: add it to the exponent
    p0 = i32x4.add(madd(p0, r0, one), i32x4.shl(t0, 23)); p1 = i32x4.add(madd(p1, r1, one), i32x4.shl(t1, 23));
    v128.store(at(to, e), p0); v128.store(at(to, e), p1, 16);
    sum0 = f32x4.add(sum0, p0); sum1 = f32x4.add(sum1, p1);
  }
  v128.store(sum, sum0); v128.store(sum, sum1, 16);
  v128.store(lowest, least0); v128.store(lowest, least1, 16);
}
