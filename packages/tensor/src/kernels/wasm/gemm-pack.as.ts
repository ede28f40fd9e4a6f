/**
 * Packing for the matrix product: what the inner kernels read again and again is copied to where it lies side by
 * side. Strides in bytes. A row number may be looked up in a table of int32 (0: none), which is how a product
 * gathers rows without a copy of them.
 */
import { transpose4, transposeRows4 } from './simd.as';

/** The address of row i. */
@inline export function rowAt(base: usize, stride: usize, index: usize, i: i32): usize {
  const row = index == 0 ? i : load<i32>(index + (<usize>i << 2));
  return base + <usize>row * stride;
}

/** A [m, k] whose rows are not contiguous to rows of k floats, `outRow` bytes apart. `index` numbers the k. */
export function packA(
  a: usize, rowStride: usize, colStride: usize, index: usize, m: i32, k: i32, out: usize, outRow: usize,
): void {
  const quads = rowStride == 4 ? m & ~3 : 0;
  let p = 0;
  if (quads > 0) {
    for (; p + 4 <= k; p += 4) {
      let r0 = rowAt(a, colStride, index, p), r1 = rowAt(a, colStride, index, p + 1);
      let r2 = rowAt(a, colStride, index, p + 2), r3 = rowAt(a, colStride, index, p + 3);
      let to = out + (<usize>p << 2);
      for (let i = 0; i < quads; i += 4) {
        transposeRows4(r0, r1, r2, r3, to, outRow);
        r0 += 16; r1 += 16; r2 += 16; r3 += 16; to += 4 * outRow;
      }
    }
  }
  // what is no block of 4×4: the last rows for the k above, all rows for the k left
  for (let q = 0; q < k; q++) {
    const from = rowAt(a, colStride, index, q);
    for (let i = q < p ? quads : 0; i < m; i++) {
      store<f32>(out + <usize>i * outRow + (<usize>q << 2), load<f32>(from + <usize>i * rowStride));
    }
  }
}

/** `columns` ≤ `width` (8 or 16) columns of B [k, …] to one panel [k][width], the rest zero. `index` numbers the k. */
export function packB(
  b: usize, rowStride: usize, colStride: usize, index: usize, k: i32, columns: i32, width: i32, out: usize,
): void {
  const step = <usize>width << 2;
  if (colStride == 4 && columns == width) {
    for (let p = 0; p < k; p++) {
      const from = rowAt(b, rowStride, index, p);
      v128.store(out, v128.load(from));
      v128.store(out, v128.load(from, 16), 16);
      if (width == 16) {
        v128.store(out, v128.load(from, 32), 32);
        v128.store(out, v128.load(from, 48), 48);
      }
      out += step;
    }
    return;
  }
  let j = 0;
  if (rowStride == 4 && index == 0) {
    for (; j + 4 <= columns; j += 4) packQuad(b + <usize>j * colStride, colStride, k, out + (<usize>j << 2), step);
  }
  if (j < width) packColumns(b, rowStride, colStride, index, k, j, columns, width, out);
}

/** Columns `from` to `columns` of a panel one by one, and zeros behind them. */
function packColumns(
  b: usize, rowStride: usize, colStride: usize, index: usize, k: i32, from: i32, columns: i32, width: i32, out: usize,
): void {
  for (let p = 0; p < k; p++) {
    const row = rowAt(b, rowStride, index, p);
    for (let j = from; j < columns; j++) store<f32>(out + (<usize>j << 2), load<f32>(row + <usize>j * colStride));
    for (let j = columns; j < width; j++) store<f32>(out + (<usize>j << 2), 0);
    out += <usize>width << 2;
  }
}

/** Four contiguous columns of B to four columns of a panel. */
function packQuad(b: usize, colStride: usize, k: i32, out: usize, step: usize): void {
  let p = 0;
  for (; p + 4 <= k; p += 4) { transpose4(b, colStride, out, step); b += 16; out += 4 * step; }
  for (; p < k; p++) {
    store<f32>(out, load<f32>(b)); store<f32>(out, load<f32>(b + colStride), 4);
    store<f32>(out, load<f32>(b + 2 * colStride), 8); store<f32>(out, load<f32>(b + 3 * colStride), 12);
    b += 4; out += step;
  }
}
