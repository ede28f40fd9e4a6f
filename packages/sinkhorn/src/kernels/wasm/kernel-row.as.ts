/**
 * Kernel rows K = 2^z, z = ((cheapest − cost)/ε + g)·log₂ e, in one sweep: exponents to the base 2 need no reduction beyond
 * a rounding. About 16 operations an entry on 4 bytes read and 4 written, in pairs of vectors.
 */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { at } from './problem.as';

/** Bytes of the table of constants. */
@inline export const CONSTANTS: i32 = 8 * 32;

/**
 * Each constant eight times to `table`, as a pair of vectors loads it: 2 to 4 % faster for the whole of Sinkhorn than loads
 * that spread one number, as in `math.as`.
 */
export function writeConstants(table: usize): void {
  writeConstant(table, 0, -126); // the least exponent
  writeConstant(table, 1, 12582912); // 1.5·2²³: adding it rounds to the nearest whole number
  // 2^r = 1 + r·p(r) for |r| ≤ ½, relative error 1.1e-7
  writeConstant(table, 2, 0.00132647269);
  writeConstant(table, 3, 0.009671512661);
  writeConstant(table, 4, 0.05550733744);
  writeConstant(table, 5, 0.2402224208);
  writeConstant(table, 6, 0.6931469776);
  writeConstant(table, 7, 1);
}

function writeConstant(table: usize, i: i32, value: f32): void {
  const to = at(table, 8 * i), value4 = f32x4.splat(value);
  v128.store(to, value4);
  v128.store(to, value4, 16);
}

/**
 * Writes a row of K to `to` and its sum by lanes to `sum` (8 floats). `low`, `high`: log₂ e/ε in two parts; `g`: potentials times
 * log₂ e, at most 0. An entry is at least 2⁻¹²⁶. `lowest` (8 floats) takes the lowest of the cheapest cost less a cost so far.
 */
@inline export function kernelRow(
  from: usize, to: usize, cheapest: f32, low: f32, high: f32, g: usize, sum: usize, lowest: usize, table: usize, width: i32,
): void {
  const base = f32x4.splat(cheapest), low4 = f32x4.splat(low), high4 = f32x4.splat(high);
  let least0 = v128.load(lowest), least1 = v128.load(lowest, 16), sum0 = f32x4.splat(0), sum1 = sum0;
  for (let e = 0; e < width; e += 8) {
    const d0 = f32x4.sub(base, v128.load(at(from, e))), d1 = f32x4.sub(base, v128.load(at(from, e), 16));
    least0 = f32x4.pmin(d0, least0); least1 = f32x4.pmin(d1, least1);
    let z0 = madd(d0, low4, v128.load(at(g, e))), z1 = madd(d1, low4, v128.load(at(g, e), 16));
    z0 = f32x4.pmax(madd(d0, high4, z0), v128.load(table)); z1 = f32x4.pmax(madd(d1, high4, z1), v128.load(table, 16));
    const round0 = v128.load(table, 32), round1 = v128.load(table, 48);
    const t0 = f32x4.add(z0, round0), t1 = f32x4.add(z1, round1);
    const r0 = f32x4.sub(z0, f32x4.sub(t0, round0)), r1 = f32x4.sub(z1, f32x4.sub(t1, round1));
    let p0 = madd(v128.load(table, 64), r0, v128.load(table, 96)), p1 = madd(v128.load(table, 80), r1, v128.load(table, 112));
    p0 = madd(p0, r0, v128.load(table, 128)); p1 = madd(p1, r1, v128.load(table, 144));
    p0 = madd(p0, r0, v128.load(table, 160)); p1 = madd(p1, r1, v128.load(table, 176));
    p0 = madd(p0, r0, v128.load(table, 192)); p1 = madd(p1, r1, v128.load(table, 208));
    p0 = madd(p0, r0, v128.load(table, 224)); p1 = madd(p1, r1, v128.load(table, 240));
    // the whole number stands in the low bits of t: add it to the exponent
    p0 = i32x4.add(p0, i32x4.shl(t0, 23)); p1 = i32x4.add(p1, i32x4.shl(t1, 23));
    v128.store(at(to, e), p0); v128.store(at(to, e), p1, 16);
    sum0 = f32x4.add(sum0, p0); sum1 = f32x4.add(sum1, p1);
  }
  v128.store(sum, sum0); v128.store(sum, sum1, 16);
  v128.store(lowest, least0); v128.store(lowest, least1, 16);
}
