/**
 * Four rows of a matrix at a time: their sums share one shuffle tree and one division, and a load of what all rows need
 * serves four. The last rows stand in for those past the end, with a weight of 0.
 */
import { laneSums, madd } from '../../../../tensor/src/kernels/wasm/simd.as';
import { at } from './problem.as';

/** Where row l (or the last) lies, from the list of its offset. */
@inline export function rowAt(base: usize, offsets: usize, l: i32, n: i32): usize {
  return base + load<u32>(at(offsets, min(l, n - 1)));
}

/** 1 for each of the rows l … l+3 that exists, else 0. */
@inline export function alive(l: i32, n: i32): v128 {
  if (l + 4 <= n) return f32x4.splat(1);
  return f32x4(1, l + 1 < n ? 1 : 0, l + 2 < n ? 1 : 0, 0);
}

@inline export function lane0(v: v128): v128 { return i32x4.shuffle(v, v, 0, 0, 0, 0); }
@inline export function lane1(v: v128): v128 { return i32x4.shuffle(v, v, 1, 1, 1, 1); }
@inline export function lane2(v: v128): v128 { return i32x4.shuffle(v, v, 2, 2, 2, 2); }
@inline export function lane3(v: v128): v128 { return i32x4.shuffle(v, v, 3, 3, 3, 3); }

/** ⟨row, v⟩ of four rows. */
@inline export function dots(r0: usize, r1: usize, r2: usize, r3: usize, v: usize, width: i32): v128 {
  let a0 = f32x4.splat(0), a1 = a0, a2 = a0, a3 = a0;
  for (let e = 0; e < width; e += 4) {
    const y = v128.load(at(v, e));
    a0 = madd(v128.load(at(r0, e)), y, a0);
    a1 = madd(v128.load(at(r1, e)), y, a1);
    a2 = madd(v128.load(at(r2, e)), y, a2);
    a3 = madd(v128.load(at(r3, e)), y, a3);
  }
  return laneSums(a0, a1, a2, a3);
}

/** sums += Σ factor·row over four rows. */
@inline export function addRows(r0: usize, r1: usize, r2: usize, r3: usize, factors: v128, sums: usize, width: i32): void {
  const f0 = lane0(factors), f1 = lane1(factors), f2 = lane2(factors), f3 = lane3(factors);
  for (let e = 0; e < width; e += 4) {
    let s = v128.load(at(sums, e));
    s = madd(v128.load(at(r0, e)), f0, s);
    s = madd(v128.load(at(r1, e)), f1, s);
    s = madd(v128.load(at(r2, e)), f2, s);
    s = madd(v128.load(at(r3, e)), f3, s);
    v128.store(at(sums, e), s);
  }
}
