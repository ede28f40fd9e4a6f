/**
 * The inner kernels of the matrix product: one 6-row tile of C from six rows of A, wherever they lie, and 8 or 16
 * columns of B. The accumulators stay in registers for all of k.
 *
 * Row r of A is `k` floats from a_r on. `step` is the distance in bytes between two k of B: a panel's width, or a row
 * for B as it lies.
 */
import { high, highPair, low, lowPair, madd } from './simd.as';

/** 6×8: 12 accumulators, made for 16 registers of 128 bits. 4.8 flops for a float that is loaded. */
export function tile6x8(
  a0: usize, a1: usize, a2: usize, a3: usize, a4: usize, a5: usize,
  b: usize, step: usize, k: i32, c: usize, ldc: usize, accumulate: bool,
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0), c51 = f32x4.splat(0);
  const end = <usize>k << 2;
  for (let p: usize = 0; p < end; p += 4) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    let x = v128.load32_splat(a0 + p);
    c00 = madd(x, b0, c00); c01 = madd(x, b1, c01);
    x = v128.load32_splat(a1 + p);
    c10 = madd(x, b0, c10); c11 = madd(x, b1, c11);
    x = v128.load32_splat(a2 + p);
    c20 = madd(x, b0, c20); c21 = madd(x, b1, c21);
    x = v128.load32_splat(a3 + p);
    c30 = madd(x, b0, c30); c31 = madd(x, b1, c31);
    x = v128.load32_splat(a4 + p);
    c40 = madd(x, b0, c40); c41 = madd(x, b1, c41);
    x = v128.load32_splat(a5 + p);
    c50 = madd(x, b0, c50); c51 = madd(x, b1, c51);
    b += step;
  }
  if (accumulate) {
    let p = c;
    c00 = f32x4.add(c00, v128.load(p, 0)); c01 = f32x4.add(c01, v128.load(p, 16)); p += ldc;
    c10 = f32x4.add(c10, v128.load(p, 0)); c11 = f32x4.add(c11, v128.load(p, 16)); p += ldc;
    c20 = f32x4.add(c20, v128.load(p, 0)); c21 = f32x4.add(c21, v128.load(p, 16)); p += ldc;
    c30 = f32x4.add(c30, v128.load(p, 0)); c31 = f32x4.add(c31, v128.load(p, 16)); p += ldc;
    c40 = f32x4.add(c40, v128.load(p, 0)); c41 = f32x4.add(c41, v128.load(p, 16)); p += ldc;
    c50 = f32x4.add(c50, v128.load(p, 0)); c51 = f32x4.add(c51, v128.load(p, 16));
  }
  v128.store(c, c00, 0); v128.store(c, c01, 16); c += ldc;
  v128.store(c, c10, 0); v128.store(c, c11, 16); c += ldc;
  v128.store(c, c20, 0); v128.store(c, c21, 16); c += ldc;
  v128.store(c, c30, 0); v128.store(c, c31, 16); c += ldc;
  v128.store(c, c40, 0); v128.store(c, c41, 16); c += ldc;
  v128.store(c, c50, 0); v128.store(c, c51, 16);
}

/**
 * 6×16: made for 32 registers (arm64), or for V8's revectoriser, which joins each pair of adjacent vectors to one of
 * 256 bits; 8.7 flops for a float that is loaded. Same order of additions as 6×8: the same bits.
 */
export function tile6x16(
  a0: usize, a1: usize, a2: usize, a3: usize, a4: usize, a5: usize,
  b: usize, step: usize, k: i32, c: usize, ldc: usize, accumulate: bool,
): void {
  let c00 = f32x4.splat(0), c01 = f32x4.splat(0), c02 = f32x4.splat(0), c03 = f32x4.splat(0);
  let c10 = f32x4.splat(0), c11 = f32x4.splat(0), c12 = f32x4.splat(0), c13 = f32x4.splat(0);
  let c20 = f32x4.splat(0), c21 = f32x4.splat(0), c22 = f32x4.splat(0), c23 = f32x4.splat(0);
  let c30 = f32x4.splat(0), c31 = f32x4.splat(0), c32 = f32x4.splat(0), c33 = f32x4.splat(0);
  let c40 = f32x4.splat(0), c41 = f32x4.splat(0), c42 = f32x4.splat(0), c43 = f32x4.splat(0);
  let c50 = f32x4.splat(0), c51 = f32x4.splat(0), c52 = f32x4.splat(0), c53 = f32x4.splat(0);
  const end = <usize>k << 2;
  for (let p: usize = 0; p < end; p += 4) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), b2 = v128.load(b, 32), b3 = v128.load(b, 48);
    let x = v128.load32_splat(a0 + p);
    c00 = madd(x, b0, c00); c01 = madd(x, b1, c01); c02 = madd(x, b2, c02); c03 = madd(x, b3, c03);
    x = v128.load32_splat(a1 + p);
    c10 = madd(x, b0, c10); c11 = madd(x, b1, c11); c12 = madd(x, b2, c12); c13 = madd(x, b3, c13);
    x = v128.load32_splat(a2 + p);
    c20 = madd(x, b0, c20); c21 = madd(x, b1, c21); c22 = madd(x, b2, c22); c23 = madd(x, b3, c23);
    x = v128.load32_splat(a3 + p);
    c30 = madd(x, b0, c30); c31 = madd(x, b1, c31); c32 = madd(x, b2, c32); c33 = madd(x, b3, c33);
    x = v128.load32_splat(a4 + p);
    c40 = madd(x, b0, c40); c41 = madd(x, b1, c41); c42 = madd(x, b2, c42); c43 = madd(x, b3, c43);
    x = v128.load32_splat(a5 + p);
    c50 = madd(x, b0, c50); c51 = madd(x, b1, c51); c52 = madd(x, b2, c52); c53 = madd(x, b3, c53);
    b += step;
  }
  if (accumulate) {
    let p = c;
    c00 = f32x4.add(c00, v128.load(p, 0)); c01 = f32x4.add(c01, v128.load(p, 16)); c02 = f32x4.add(c02, v128.load(p, 32)); c03 = f32x4.add(c03, v128.load(p, 48)); p += ldc;
    c10 = f32x4.add(c10, v128.load(p, 0)); c11 = f32x4.add(c11, v128.load(p, 16)); c12 = f32x4.add(c12, v128.load(p, 32)); c13 = f32x4.add(c13, v128.load(p, 48)); p += ldc;
    c20 = f32x4.add(c20, v128.load(p, 0)); c21 = f32x4.add(c21, v128.load(p, 16)); c22 = f32x4.add(c22, v128.load(p, 32)); c23 = f32x4.add(c23, v128.load(p, 48)); p += ldc;
    c30 = f32x4.add(c30, v128.load(p, 0)); c31 = f32x4.add(c31, v128.load(p, 16)); c32 = f32x4.add(c32, v128.load(p, 32)); c33 = f32x4.add(c33, v128.load(p, 48)); p += ldc;
    c40 = f32x4.add(c40, v128.load(p, 0)); c41 = f32x4.add(c41, v128.load(p, 16)); c42 = f32x4.add(c42, v128.load(p, 32)); c43 = f32x4.add(c43, v128.load(p, 48)); p += ldc;
    c50 = f32x4.add(c50, v128.load(p, 0)); c51 = f32x4.add(c51, v128.load(p, 16)); c52 = f32x4.add(c52, v128.load(p, 32)); c53 = f32x4.add(c53, v128.load(p, 48));
  }
  v128.store(c, c00, 0); v128.store(c, c01, 16); v128.store(c, c02, 32); v128.store(c, c03, 48); c += ldc;
  v128.store(c, c10, 0); v128.store(c, c11, 16); v128.store(c, c12, 32); v128.store(c, c13, 48); c += ldc;
  v128.store(c, c20, 0); v128.store(c, c21, 16); v128.store(c, c22, 32); v128.store(c, c23, 48); c += ldc;
  v128.store(c, c30, 0); v128.store(c, c31, 16); v128.store(c, c32, 32); v128.store(c, c33, 48); c += ldc;
  v128.store(c, c40, 0); v128.store(c, c41, 16); v128.store(c, c42, 32); v128.store(c, c43, 48); c += ldc;
  v128.store(c, c50, 0); v128.store(c, c51, 16); v128.store(c, c52, 32); v128.store(c, c53, 48);
}

/**
 * out += Σ_i a_i·B_i for one row of C and `n` columns of B as it lies: for a single row, packing and 6-row tiles would
 * cost more than the product. `aStep` bytes from one k to the next, `step` from one row of B to the next. Each element
 * is summed in the order of the tiles.
 */
export function row1(a: usize, aStep: usize, b: usize, step: usize, k: i32, out: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= k; i += 4) {
    const a0 = v128.load32_splat(a), a1 = v128.load32_splat(a + aStep);
    const a2 = v128.load32_splat(a + 2 * aStep), a3 = v128.load32_splat(a + 3 * aStep);
    let p0 = b, p1 = b + step, p2 = b + 2 * step, p3 = b + 3 * step, to = out;
    let j = 0;
    for (; j + 8 <= n; j += 8) {
      let x = madd(a0, v128.load(p0), v128.load(to)), y = madd(a0, v128.load(p0, 16), v128.load(to, 16));
      x = madd(a1, v128.load(p1), x); y = madd(a1, v128.load(p1, 16), y);
      x = madd(a2, v128.load(p2), x); y = madd(a2, v128.load(p2, 16), y);
      x = madd(a3, v128.load(p3), x); y = madd(a3, v128.load(p3, 16), y);
      v128.store(to, x); v128.store(to, y, 16);
      p0 += 32; p1 += 32; p2 += 32; p3 += 32; to += 32;
    }
    for (; j < n; j++) {
      let x = madd(a0, v128.load32_splat(p0), v128.load32_splat(to));
      x = madd(a1, v128.load32_splat(p1), x);
      x = madd(a2, v128.load32_splat(p2), x);
      x = madd(a3, v128.load32_splat(p3), x);
      v128.store32_lane(to, x, 0);
      p0 += 4; p1 += 4; p2 += 4; p3 += 4; to += 4;
    }
    a += 4 * aStep; b += 4 * step;
  }
  for (; i < k; i++) {
    const a0 = v128.load32_splat(a);
    let p = b, to = out;
    let j = 0;
    for (; j + 4 <= n; j += 4) { v128.store(to, madd(a0, v128.load(p), v128.load(to))); p += 16; to += 16; }
    for (; j < n; j++) {
      v128.store32_lane(to, madd(a0, v128.load32_splat(p), v128.load32_splat(to)), 0);
      p += 4; to += 4;
    }
    a += aStep; b += step;
  }
}

/**
 * out_j = Σ_i a_i·B_j,i for one row of C where the `n` columns of B are stored as rows, `colStep` bytes apart: 4×4
 * blocks are transposed in registers, so that every weight is read once and each element is summed in the order of
 * the tiles. 2 flops for a float that is read: as fast as memory.
 */
export function rowDots(a: usize, aStep: usize, b: usize, colStep: usize, k: i32, out: usize, n: i32): void {
  let j = 0;
  for (; j + 8 <= n; j += 8) {
    const next = b + 4 * colStep;
    let s = f32x4.splat(0), t = s;
    let x = a, p = 0;
    let at: usize = 0;
    for (; p + 4 <= k; p += 4) {
      const x0 = v128.load32_splat(x), x1 = v128.load32_splat(x + aStep);
      const x2 = v128.load32_splat(x + 2 * aStep), x3 = v128.load32_splat(x + 3 * aStep);
      const f = b + at, g = next + at;
      const f0 = v128.load(f), f1 = v128.load(f + colStep), f2 = v128.load(f + 2 * colStep), f3 = v128.load(f + 3 * colStep);
      const g0 = v128.load(g), g1 = v128.load(g + colStep), g2 = v128.load(g + 2 * colStep), g3 = v128.load(g + 3 * colStep);
      const fl = low(f0, f1), fm = low(f2, f3), fh = high(f0, f1), fi = high(f2, f3);
      const gl = low(g0, g1), gm = low(g2, g3), gh = high(g0, g1), gi = high(g2, g3);
      s = madd(x0, lowPair(fl, fm), s); t = madd(x0, lowPair(gl, gm), t);
      s = madd(x1, highPair(fl, fm), s); t = madd(x1, highPair(gl, gm), t);
      s = madd(x2, lowPair(fh, fi), s); t = madd(x2, lowPair(gh, gi), t);
      s = madd(x3, highPair(fh, fi), s); t = madd(x3, highPair(gh, gi), t);
      x += 4 * aStep; at += 16;
    }
    v128.store(out, s); v128.store(out, t, 16);
    for (let r = 0; p + r < k; r++) {
      const x0 = v128.load32_splat(x + <usize>r * aStep);
      for (let c: usize = 0; c < 8; c++) addProduct(out + (c << 2), x0, b + c * colStep + at + (<usize>r << 2));
    }
    b += 8 * colStep; out += 32;
  }
  for (; j < n; j++) {
    store<f32>(out, 0);
    for (let p = 0; p < k; p++) addProduct(out, v128.load32_splat(a + <usize>p * aStep), b + (<usize>p << 2));
    b += colStep; out += 4;
  }
}

/** *out += x·*b for one number, rounded as in the vectors. */
@inline function addProduct(out: usize, x: v128, b: usize): void {
  v128.store32_lane(out, madd(x, v128.load32_splat(b), v128.load32_splat(out)), 0);
}
