/**
 * Root-mean-square normalisation of rows: y = w ⊙ x·r with r = 1/√(mean x² + ε). Row by row, twice over a row that the L1
 * cache holds: 4 flops for the 8 bytes of a float read and written (13 for 16 backward), so memory's speed is the limit.
 */
import { madd, sumLanes } from './simd.as';

/** Σ a·b of two rows. */
@inline function dot(a: usize, b: usize, n: i32): f32 {
  let s = f32x4.splat(0), t = s;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    s = madd(v128.load(a), v128.load(b), s);
    t = madd(v128.load(a, 16), v128.load(b, 16), t);
    a += 32; b += 32;
  }
  let total = sumLanes(f32x4.add(s, t));
  for (; i < n; i++) { total += load<f32>(a) * load<f32>(b); a += 4; b += 4; }
  return total;
}

@inline function inverseRms(x: usize, n: i32, epsilon: f32): f32 {
  return 1 / sqrt<f32>(dot(x, x, n) / <f32>n + epsilon);
}

export function rmsNorm(x: usize, weight: usize, out: usize, rows: i32, n: i32, epsilon: f32): void {
  for (let row = 0; row < rows; row++) {
    const r = inverseRms(x, n, epsilon);
    const r4 = f32x4.splat(r);
    let w = weight, i = 0;
    for (; i + 8 <= n; i += 8) {
      const a = f32x4.mul(f32x4.mul(v128.load(x), r4), v128.load(w));
      const b = f32x4.mul(f32x4.mul(v128.load(x, 16), r4), v128.load(w, 16));
      v128.store(out, a); v128.store(out, b, 16);
      x += 32; w += 32; out += 32;
    }
    for (; i < n; i++) { store<f32>(out, load<f32>(x) * r * load<f32>(w)); x += 4; w += 4; out += 4; }
  }
}

/** dx = r·(w ⊙ dy) − x·r³·mean(w ⊙ dy ⊙ x); dw = Σ_rows dy ⊙ x·r, in row order. */
export function rmsNormGrad(
  x: usize, weight: usize, dy: usize, dx: usize, dw: usize, rows: i32, n: i32, epsilon: f32,
): void {
  memory.fill(dw, 0, <usize>n << 2);
  for (let row = 0; row < rows; row++) {
    const r = inverseRms(x, n, epsilon);
    const r4 = f32x4.splat(r);
    let s = f32x4.splat(0);
    let a = x, w = weight, g = dy, e = dw, i = 0;
    for (; i + 4 <= n; i += 4) {
      const gx = f32x4.mul(v128.load(g), v128.load(a));
      s = madd(gx, v128.load(w), s);
      v128.store(e, madd(gx, r4, v128.load(e)));
      a += 16; w += 16; g += 16; e += 16;
    }
    let total = sumLanes(s);
    for (; i < n; i++) {
      const gx = load<f32>(g) * load<f32>(a);
      total += gx * load<f32>(w);
      store<f32>(e, load<f32>(e) + gx * r);
      a += 4; w += 4; g += 4; e += 4;
    }
    const c = -total / <f32>n * r * r * r;
    const c4 = f32x4.splat(c);
    w = weight; i = 0;
    for (; i + 8 <= n; i += 8) {
      const p = madd(v128.load(x), c4, f32x4.mul(f32x4.mul(v128.load(dy), v128.load(w)), r4));
      const q = madd(v128.load(x, 16), c4, f32x4.mul(f32x4.mul(v128.load(dy, 16), v128.load(w, 16)), r4));
      v128.store(dx, p); v128.store(dx, q, 16);
      x += 32; dy += 32; w += 32; dx += 32;
    }
    for (; i < n; i++) {
      store<f32>(dx, load<f32>(x) * c + load<f32>(dy) * load<f32>(w) * r);
      x += 4; dy += 4; w += 4; dx += 4;
    }
  }
}
