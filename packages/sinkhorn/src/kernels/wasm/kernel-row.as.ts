/**
 * Kernel rows K = 2^z, z = ((cheapest − cost)/ε + g)·log₂ e, in one sweep: exponents to the base 2 need no reduction beyond
 * a rounding. About 20 operations an entry on 4 bytes read and 4 written; constants are shared by four vectors.
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
 * Writes a row of K to `to` and returns its sum by lanes. `low`, `high`: log₂ e/ε in two parts; `g`: potentials times log₂ e, at
 * most 0. An entry is at least 2⁻¹²⁶. `lowest` (four floats) takes the lowest z − g so far.
 */
@inline export function kernelRow(from: usize, to: usize, cheapest: f32, low: f32, high: f32, g: usize, lowest: usize, width: i32): v128 {
  const base = f32x4.splat(cheapest), low4 = f32x4.splat(low), high4 = f32x4.splat(high);
  let least = v128.load(lowest), sum = f32x4.splat(0);
  let e = 0;
  for (; e + 16 <= width; e += 16) {
    const d0 = f32x4.sub(base, v128.load(at(from, e))), d1 = f32x4.sub(base, v128.load(at(from, e), 16));
    const d2 = f32x4.sub(base, v128.load(at(from, e), 32)), d3 = f32x4.sub(base, v128.load(at(from, e), 48));
    const x0 = madd(d0, low4, f32x4.mul(d0, high4)), x1 = madd(d1, low4, f32x4.mul(d1, high4));
    const x2 = madd(d2, low4, f32x4.mul(d2, high4)), x3 = madd(d3, low4, f32x4.mul(d3, high4));
    least = f32x4.pmin(f32x4.pmin(f32x4.pmin(x0, x1), f32x4.pmin(x2, x3)), least);
    const floor = f32x4.splat(FLOOR);
    const z0 = f32x4.pmax(f32x4.add(x0, v128.load(at(g, e))), floor), z1 = f32x4.pmax(f32x4.add(x1, v128.load(at(g, e), 16)), floor);
    const z2 = f32x4.pmax(f32x4.add(x2, v128.load(at(g, e), 32)), floor), z3 = f32x4.pmax(f32x4.add(x3, v128.load(at(g, e), 48)), floor);
    const round = f32x4.splat(ROUND);
    const t0 = f32x4.add(z0, round), t1 = f32x4.add(z1, round), t2 = f32x4.add(z2, round), t3 = f32x4.add(z3, round);
    const r0 = f32x4.sub(z0, f32x4.sub(t0, round)), r1 = f32x4.sub(z1, f32x4.sub(t1, round));
    const r2 = f32x4.sub(z2, f32x4.sub(t2, round)), r3 = f32x4.sub(z3, f32x4.sub(t3, round));
    let c = f32x4.splat(P4);
    const c3 = f32x4.splat(P3);
    let p0 = madd(c, r0, c3), p1 = madd(c, r1, c3), p2 = madd(c, r2, c3), p3 = madd(c, r3, c3);
    c = f32x4.splat(P2);
    p0 = madd(p0, r0, c); p1 = madd(p1, r1, c); p2 = madd(p2, r2, c); p3 = madd(p3, r3, c);
    c = f32x4.splat(P1);
    p0 = madd(p0, r0, c); p1 = madd(p1, r1, c); p2 = madd(p2, r2, c); p3 = madd(p3, r3, c);
    c = f32x4.splat(P0);
    p0 = madd(p0, r0, c); p1 = madd(p1, r1, c); p2 = madd(p2, r2, c); p3 = madd(p3, r3, c);
    c = f32x4.splat(ONE);
    p0 = madd(p0, r0, c); p1 = madd(p1, r1, c); p2 = madd(p2, r2, c); p3 = madd(p3, r3, c);
    // the whole number stands in the low bits of t: add it to the exponent
    p0 = i32x4.add(p0, i32x4.shl(t0, 23)); p1 = i32x4.add(p1, i32x4.shl(t1, 23));
    p2 = i32x4.add(p2, i32x4.shl(t2, 23)); p3 = i32x4.add(p3, i32x4.shl(t3, 23));
    v128.store(at(to, e), p0); v128.store(at(to, e), p1, 16); v128.store(at(to, e), p2, 32); v128.store(at(to, e), p3, 48);
    sum = f32x4.add(sum, f32x4.add(f32x4.add(p0, p1), f32x4.add(p2, p3)));
  }
  for (; e < width; e += 4) {
    const d = f32x4.sub(base, v128.load(at(from, e)));
    const x = madd(d, low4, f32x4.mul(d, high4));
    least = f32x4.pmin(x, least);
    const z = f32x4.pmax(f32x4.add(x, v128.load(at(g, e))), f32x4.splat(FLOOR));
    const round = f32x4.splat(ROUND);
    const t = f32x4.add(z, round);
    const r = f32x4.sub(z, f32x4.sub(t, round));
    let p = madd(f32x4.splat(P4), r, f32x4.splat(P3));
    p = madd(p, r, f32x4.splat(P2));
    p = madd(p, r, f32x4.splat(P1));
    p = madd(p, r, f32x4.splat(P0));
    p = i32x4.add(madd(p, r, f32x4.splat(ONE)), i32x4.shl(t, 23));
    v128.store(at(to, e), p);
    sum = f32x4.add(sum, p);
  }
  v128.store(lowest, least);
  return sum;
}
