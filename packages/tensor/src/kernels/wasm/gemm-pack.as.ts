/**
 * Packing for the matrix product: blocks of A and B are copied to panels that the inner kernels read from front
 * to back. Element (i, j) of a matrix lies at `address + i·rowStride + j·colStride`, strides in bytes, so a
 * transposed operand is the same matrix with its strides swapped. Panels that the matrix does not fill are
 * filled up with zeros.
 */

import { high, highPair, low, lowPair, transpose4 } from './simd.as';

/** A [m, k] to panels of 6 rows: [⌈m/6⌉][k][6]. */
export function packA(a: usize, rowStride: usize, colStride: usize, m: i32, k: i32, out: usize): void {
  for (let i = 0; i < m; i += 6) {
    const rows = min(6, m - i);
    if (rows < 6) packRows(a, rowStride, colStride, rows, 6, k, out);
    else if (colStride == 4) packA6(a, rowStride, k, out);
    else if (rowStride == 4) {
      let from = a, to = out;
      for (let p = 0; p < k; p++) {
        v128.store(to, v128.load(from));
        store<u64>(to, load<u64>(from, 16), 16);
        from += colStride; to += 24;
      }
    } else packRows(a, rowStride, colStride, 6, 6, k, out);
    a += 6 * rowStride;
    out += <usize>k * 24;
  }
}

/** B [k, n] to panels of 8 columns: [⌈n/8⌉][k][8]. */
export function packB(b: usize, rowStride: usize, colStride: usize, k: i32, n: i32, out: usize): void {
  for (let j = 0; j < n; j += 8) {
    const columns = min(8, n - j);
    if (columns < 8) packRows(b, colStride, rowStride, columns, 8, k, out);
    else if (colStride == 4) {
      let from = b, to = out;
      for (let p = 0; p < k; p++) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
        from += rowStride; to += 32;
      }
    } else if (rowStride == 4) packB8(b, colStride, k, out);
    else packRows(b, colStride, rowStride, 8, 8, k, out);
    b += 8 * colStride;
    out += <usize>k * 32;
  }
}

/** Any strides: `rows` of `width` rows to [k][width], the rest zero. */
function packRows(from: usize, rowStride: usize, colStride: usize, rows: i32, width: i32, k: i32, out: usize): void {
  for (let p = 0; p < k; p++) {
    let at = from;
    for (let r = 0; r < rows; r++) { store<f32>(out + (<usize>r << 2), load<f32>(at)); at += rowStride; }
    for (let r = rows; r < width; r++) store<f32>(out + (<usize>r << 2), 0);
    from += colStride;
    out += <usize>width << 2;
  }
}

/** Six contiguous rows to [k][6]. */
function packA6(a: usize, rowStride: usize, k: i32, out: usize): void {
  let r0 = a, r1 = r0 + rowStride, r2 = r1 + rowStride, r3 = r2 + rowStride, r4 = r3 + rowStride, r5 = r4 + rowStride;
  let p = 0;
  for (; p + 4 <= k; p += 4) {
    const x0 = v128.load(r0), x1 = v128.load(r1), x2 = v128.load(r2), x3 = v128.load(r3);
    const x4 = v128.load(r4), x5 = v128.load(r5);
    const l01 = low(x0, x1), l23 = low(x2, x3), h01 = high(x0, x1), h23 = high(x2, x3);
    const l45 = low(x4, x5), h45 = high(x4, x5);
    v128.store(out, lowPair(l01, l23));
    v128.store64_lane(out, l45, 0, 16);
    v128.store(out, highPair(l01, l23), 24);
    v128.store64_lane(out, l45, 1, 40);
    v128.store(out, lowPair(h01, h23), 48);
    v128.store64_lane(out, h45, 0, 64);
    v128.store(out, highPair(h01, h23), 72);
    v128.store64_lane(out, h45, 1, 88);
    r0 += 16; r1 += 16; r2 += 16; r3 += 16; r4 += 16; r5 += 16; out += 96;
  }
  if (p < k) packRows(r0, rowStride, 4, 6, 6, k - p, out);
}

/** Eight contiguous rows (columns of B) to [k][8]. */
function packB8(b: usize, rowStride: usize, k: i32, out: usize): void {
  packQuad(b, rowStride, k, out);
  packQuad(b + 4 * rowStride, rowStride, k, out + 16);
}

function packQuad(b: usize, rowStride: usize, k: i32, out: usize): void {
  let p = 0;
  for (; p + 4 <= k; p += 4) { transpose4(b, rowStride, out, 32); b += 16; out += 128; }
  for (; p < k; p++) {
    store<f32>(out, load<f32>(b)); store<f32>(out, load<f32>(b + rowStride), 4);
    store<f32>(out, load<f32>(b + 2 * rowStride), 8); store<f32>(out, load<f32>(b + 3 * rowStride), 12);
    b += 4; out += 32;
  }
}
