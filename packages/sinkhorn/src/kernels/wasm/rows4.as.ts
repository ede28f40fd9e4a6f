/**
 * Four rows of a matrix at a time, in pairs of vectors: their sums share one shuffle tree and one division, and a load of
 * what all rows need serves four. The last rows stand in for those past the end, with a weight of 0.
 */
import { laneSums, madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { at, lanes, storePairs } from './problem.as';

/** Where row l (or the last) lies, from the list of its offset. */
@inline export function rowAt(base: usize, offsets: usize, l: i32, n: i32): usize {
  return base + load<u32>(at(offsets, min(l, n - 1)));
}

/** 1 for each of the rows l … l+3 that exists, else 0. */
@inline export function alive(l: i32, n: i32): v128 {
  if (l + 4 <= n) return f32x4.splat(1);
  return f32x4(1, l + 1 < n ? 1 : 0, l + 2 < n ? 1 : 0, 0);
}

@inline export function lane0(v: v128): v128 { return f32x4.splat(f32x4.extract_lane(v, 0)); }
@inline export function lane1(v: v128): v128 { return f32x4.splat(f32x4.extract_lane(v, 1)); }
@inline export function lane2(v: v128): v128 { return f32x4.splat(f32x4.extract_lane(v, 2)); }
@inline export function lane3(v: v128): v128 { return f32x4.splat(f32x4.extract_lane(v, 3)); }

/** The sums of four pairs of vectors that lie at `from`. */
@inline export function pairSums(from: usize): v128 {
  return laneSums(
    f32x4.add(v128.load(from), v128.load(from, 16)), f32x4.add(v128.load(from, 32), v128.load(from, 48)),
    f32x4.add(v128.load(from, 64), v128.load(from, 80)), f32x4.add(v128.load(from, 96), v128.load(from, 112)),
  );
}

/** ⟨row, v⟩ of four rows. */
@inline export function dots(r0: usize, r1: usize, r2: usize, r3: usize, v: usize, width: i32): v128 {
  const out = lanes;
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  for (let e = 0; e < width; e += 8) {
    const y = v128.load(at(v, e)), z = v128.load(at(v, e), 16);
    a0 = madd(v128.load(at(r0, e)), y, a0); b0 = madd(v128.load(at(r0, e), 16), z, b0);
    a1 = madd(v128.load(at(r1, e)), y, a1); b1 = madd(v128.load(at(r1, e), 16), z, b1);
    a2 = madd(v128.load(at(r2, e)), y, a2); b2 = madd(v128.load(at(r2, e), 16), z, b2);
    a3 = madd(v128.load(at(r3, e)), y, a3); b3 = madd(v128.load(at(r3, e), 16), z, b3);
  }
  storePairs(out, a0, b0, a1, b1, a2, b2, a3, b3);
  return pairSums(out);
}

/** sums += Σ factor·row over four rows. */
@inline export function addRows(r0: usize, r1: usize, r2: usize, r3: usize, factors: v128, sums: usize, width: i32): void {
  const f0 = lane0(factors), f1 = lane1(factors), f2 = lane2(factors), f3 = lane3(factors);
  for (let e = 0; e < width; e += 8) {
    let s = v128.load(at(sums, e)), t = v128.load(at(sums, e), 16);
    s = madd(v128.load(at(r0, e)), f0, s); t = madd(v128.load(at(r0, e), 16), f0, t);
    s = madd(v128.load(at(r1, e)), f1, s); t = madd(v128.load(at(r1, e), 16), f1, t);
    s = madd(v128.load(at(r2, e)), f2, s); t = madd(v128.load(at(r2, e), 16), f2, t);
    s = madd(v128.load(at(r3, e)), f3, s); t = madd(v128.load(at(r3, e), 16), f3, t);
    v128.store(at(sums, e), s); v128.store(at(sums, e), t, 16);
  }
}
