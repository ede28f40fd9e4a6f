/** out = base + Σ_i x[i]·w[i], row vectors: the only product inside a recurrence. */
import { madd } from '../../../../tensor/src/kernels/wasm/simd.as';

/**
 * x: `rows` floats; w: [rows, columns]; base, out: `columns` floats, a multiple of 4. out may be base.
 * Summed over i in ascending order, so that a result does not depend on how the columns are cut.
 */
export function matvec(out: usize, base: usize, w: usize, x: usize, rows: i32, columns: i32): void {
  const stride = <usize>columns << 2;
  const end = x + (<usize>rows << 2);
  let left = columns;
  for (; left >= 32; left -= 32) {
    let a0 = v128.load(base), a1 = v128.load(base, 16), a2 = v128.load(base, 32), a3 = v128.load(base, 48);
    let a4 = v128.load(base, 64), a5 = v128.load(base, 80), a6 = v128.load(base, 96), a7 = v128.load(base, 112);
    let row = w;
    for (let p = x; p < end; p += 4) {
      const s = v128.load32_splat(p);
      a0 = madd(s, v128.load(row), a0);
      a1 = madd(s, v128.load(row, 16), a1);
      a2 = madd(s, v128.load(row, 32), a2);
      a3 = madd(s, v128.load(row, 48), a3);
      a4 = madd(s, v128.load(row, 64), a4);
      a5 = madd(s, v128.load(row, 80), a5);
      a6 = madd(s, v128.load(row, 96), a6);
      a7 = madd(s, v128.load(row, 112), a7);
      row += stride;
    }
    v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
    v128.store(out, a4, 64); v128.store(out, a5, 80); v128.store(out, a6, 96); v128.store(out, a7, 112);
    out += 128; base += 128; w += 128;
  }
  for (; left >= 16; left -= 16) {
    let a0 = v128.load(base), a1 = v128.load(base, 16), a2 = v128.load(base, 32), a3 = v128.load(base, 48);
    let row = w;
    for (let p = x; p < end; p += 4) {
      const s = v128.load32_splat(p);
      a0 = madd(s, v128.load(row), a0);
      a1 = madd(s, v128.load(row, 16), a1);
      a2 = madd(s, v128.load(row, 32), a2);
      a3 = madd(s, v128.load(row, 48), a3);
      row += stride;
    }
    v128.store(out, a0); v128.store(out, a1, 16); v128.store(out, a2, 32); v128.store(out, a3, 48);
    out += 64; base += 64; w += 64;
  }
  for (; left > 0; left -= 4) {
    let a = v128.load(base);
    let row = w;
    for (let p = x; p < end; p += 4) {
      a = madd(v128.load32_splat(p), v128.load(row), a);
      row += stride;
    }
    v128.store(out, a);
    out += 16; base += 16; w += 16;
  }
}
