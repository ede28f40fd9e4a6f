/** silu(gate) ⊙ up on rows [gate | up]. */
import { loadPart, sigmoid4, silu4, storePart } from './math.as';
import { madd } from './simd.as';

export function swiglu(x: usize, out: usize, rows: i32, n: i32): void {
  const row = <usize>n << 2;
  for (let r = 0; r < rows; r++) {
    let g = x, u = x + row, i = 0;
    for (; i + 8 <= n; i += 8) {
      const a = f32x4.mul(silu4(v128.load(g)), v128.load(u)), b = f32x4.mul(silu4(v128.load(g, 16)), v128.load(u, 16));
      v128.store(out, a); v128.store(out, b, 16);
      g += 32; u += 32; out += 32;
    }
    for (; i < n; i += 4) {
      const count = min(4, n - i);
      if (count == 4) v128.store(out, f32x4.mul(silu4(v128.load(g)), v128.load(u)));
      else storePart(out, f32x4.mul(silu4(loadPart(g, count)), loadPart(u, count)), count);
      g += 16; u += 16; out += <usize>count << 2;
    }
    x += 2 * row;
  }
}

// @ts-ignore: decorator
@inline function gateSlope(g: v128, s: v128): v128 {
  // s·(1 + g·(1 − s))
  const one = f32x4.splat(1);
  return f32x4.mul(s, madd(g, f32x4.sub(one, s), one));
}

/** d gate = dy·up·silu′(gate), d up = dy·silu(gate). */
export function swigluGrad(x: usize, dy: usize, dx: usize, rows: i32, n: i32): void {
  const row = <usize>n << 2;
  for (let r = 0; r < rows; r++) {
    let g = x, u = x + row, dg = dx, du = dx + row, i = 0;
    for (; i + 8 <= n; i += 8) {
      const g0 = v128.load(g), g1 = v128.load(g, 16), y0 = v128.load(dy), y1 = v128.load(dy, 16);
      const s0 = sigmoid4(g0), s1 = sigmoid4(g1);
      const a0 = f32x4.mul(f32x4.mul(y0, v128.load(u)), gateSlope(g0, s0));
      const a1 = f32x4.mul(f32x4.mul(y1, v128.load(u, 16)), gateSlope(g1, s1));
      v128.store(dg, a0); v128.store(dg, a1, 16);
      const b0 = f32x4.mul(y0, f32x4.mul(g0, s0)), b1 = f32x4.mul(y1, f32x4.mul(g1, s1));
      v128.store(du, b0); v128.store(du, b1, 16);
      g += 32; u += 32; dy += 32; dg += 32; du += 32;
    }
    for (; i < n; i += 4) {
      const count = min(4, n - i);
      const whole = count == 4;
      const g0 = whole ? v128.load(g) : loadPart(g, count);
      const u0 = whole ? v128.load(u) : loadPart(u, count);
      const y0 = whole ? v128.load(dy) : loadPart(dy, count);
      const s0 = sigmoid4(g0);
      const a = f32x4.mul(f32x4.mul(y0, u0), gateSlope(g0, s0)), b = f32x4.mul(y0, f32x4.mul(g0, s0));
      if (whole) { v128.store(dg, a); v128.store(du, b); }
      else { storePart(dg, a, count); storePart(du, b, count); }
      g += 16; u += 16; dg += 16; du += 16; dy += <usize>count << 2;
    }
    x += 2 * row; dx += 2 * row;
  }
}
