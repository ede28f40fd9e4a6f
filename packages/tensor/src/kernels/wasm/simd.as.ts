/** Building blocks that the kernels share. Everything here is inlined. */

/** a·b + c, fused where relaxed SIMD is on (one rounding instead of two). */
@inline export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The sum of the four lanes, in a fixed order. */
@inline export function sumLanes(v: v128): f32 {
  const pairs = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The sums of the lanes of four vectors. */
@inline export function laneSums(a0: v128, a1: v128, a2: v128, a3: v128): v128 {
  const s01 = f32x4.add(low(a0, a1), high(a0, a1)), s23 = f32x4.add(low(a2, a3), high(a2, a3));
  return f32x4.add(lowPair(s01, s23), highPair(s01, s23));
}

/** The largest lane; NaN if any lane is NaN. */
@inline export function maxLanes(v: v128): f32 {
  const pairs = f32x4.max(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

@inline export function low(a: v128, b: v128): v128 { return i32x4.shuffle(a, b, 0, 4, 1, 5); }
@inline export function high(a: v128, b: v128): v128 { return i32x4.shuffle(a, b, 2, 6, 3, 7); }
@inline export function lowPair(a: v128, b: v128): v128 { return i64x2.shuffle(a, b, 0, 2); }
@inline export function highPair(a: v128, b: v128): v128 { return i64x2.shuffle(a, b, 1, 3); }

/** Stores the transpose of the 4×4 block whose rows begin at r0 … r3. */
@inline export function transposeRows4(r0: usize, r1: usize, r2: usize, r3: usize, to: usize, toRow: usize): void {
  const x0 = v128.load(r0), x1 = v128.load(r1), x2 = v128.load(r2), x3 = v128.load(r3);
  const l01 = low(x0, x1), l23 = low(x2, x3), h01 = high(x0, x1), h23 = high(x2, x3);
  v128.store(to, lowPair(l01, l23));
  v128.store(to + toRow, highPair(l01, l23));
  v128.store(to + 2 * toRow, lowPair(h01, h23));
  v128.store(to + 3 * toRow, highPair(h01, h23));
}

/** The same for rows `fromRow` bytes apart. */
@inline export function transpose4(from: usize, fromRow: usize, to: usize, toRow: usize): void {
  transposeRows4(from, from + fromRow, from + 2 * fromRow, from + 3 * fromRow, to, toRow);
}
