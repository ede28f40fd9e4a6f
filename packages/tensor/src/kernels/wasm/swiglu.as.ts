/**
 * silu(gate) ⊙ up on rows [gate | up]. One pass; some 25 flops, most of them the exponential, for 12 bytes, so that
 * arithmetic and memory take about as long.
 */
import { loadPart, sigmoid4, silu4, storePart } from './math.as';
import { madd, sumLanes } from './simd.as';

export function swiglu(x: usize, out: usize, rows: i32, n: i32): void {
  const row = <usize>n << 2;
  for (let r = 0; r < rows; r++) {
    swigluRow(x, out, n, 1);
    x += 2 * row; out += row;
  }
}

/** out = scale·silu(gate) ⊙ up for one row. */
export function swigluRow(g: usize, out: usize, n: i32, scale: f32): void {
  let u = g + (<usize>n << 2), i = 0;
  const c = f32x4.splat(scale);
  for (; i + 8 <= n; i += 8) {
    const a = f32x4.mul(f32x4.mul(silu4(v128.load(g)), v128.load(u)), c);
    const b = f32x4.mul(f32x4.mul(silu4(v128.load(g, 16)), v128.load(u, 16)), c);
    v128.store(out, a); v128.store(out, b, 16);
    g += 32; u += 32; out += 32;
  }
  for (; i < n; i += 4) {
    const count = min(4, n - i);
    if (count == 4) v128.store(out, f32x4.mul(f32x4.mul(silu4(v128.load(g)), v128.load(u)), c));
    else storePart(out, f32x4.mul(f32x4.mul(silu4(loadPart(g, count)), loadPart(u, count)), c), count);
    g += 16; u += 16; out += 16;
  }
}

@inline function gateSlope(g: v128, s: v128): v128 {
  // s·(1 + g·(1 − s))
  const one = f32x4.splat(1);
  return f32x4.mul(s, madd(g, f32x4.sub(one, s), one));
}

/** d gate = dy·up·silu′(gate), d up = dy·silu(gate). */
export function swigluGrad(x: usize, dy: usize, dx: usize, rows: i32, n: i32): void {
  const row = <usize>n << 2;
  for (let r = 0; r < rows; r++) {
    rowGrad(x, dy, dx, 0, n, 1, false);
    x += 2 * row; dx += 2 * row; dy += row;
  }
}

/**
 * One row whose activation was multiplied by `scale`: dx as above for scale·dy, out = scale·silu(gate) ⊙ up, and the
 * gradient of `scale`, Σ dy ⊙ silu(gate) ⊙ up. `out` may be `dy`.
 */
export function swigluRowGrad(x: usize, dy: usize, dx: usize, out: usize, n: i32, scale: f32): f32 {
  return rowGrad(x, dy, dx, out, n, scale, true);
}

/** Writes `out` and sums only if `scaled`. */
@inline function rowGrad(g: usize, dy: usize, dg: usize, out: usize, n: i32, scale: f32, scaled: bool): f32 {
  let u = g + (<usize>n << 2), du = dg + (<usize>n << 2), i = 0;
  const c = f32x4.splat(scale);
  let sum = f32x4.splat(0), more = sum;
  for (; i + 8 <= n; i += 8) {
    const g0 = v128.load(g), g1 = v128.load(g, 16), y0 = v128.load(dy), y1 = v128.load(dy, 16);
    const u0 = v128.load(u), u1 = v128.load(u, 16), s0 = sigmoid4(g0), s1 = sigmoid4(g1);
    const silu0 = f32x4.mul(g0, s0), silu1 = f32x4.mul(g1, s1);
    const z0 = f32x4.mul(y0, c), z1 = f32x4.mul(y1, c);
    if (scaled) {
      const a0 = f32x4.mul(silu0, u0), a1 = f32x4.mul(silu1, u1);
      sum = madd(a0, y0, sum); more = madd(a1, y1, more);
      const b0 = f32x4.mul(a0, c), b1 = f32x4.mul(a1, c);
      v128.store(out, b0); v128.store(out, b1, 16);
      out += 32;
    }
    const slope0 = f32x4.mul(f32x4.mul(z0, u0), gateSlope(g0, s0)), slope1 = f32x4.mul(f32x4.mul(z1, u1), gateSlope(g1, s1));
    v128.store(dg, slope0); v128.store(dg, slope1, 16);
    const lift0 = f32x4.mul(z0, silu0), lift1 = f32x4.mul(z1, silu1);
    v128.store(du, lift0); v128.store(du, lift1, 16);
    g += 32; u += 32; dg += 32; du += 32; dy += 32;
  }
  sum = f32x4.add(sum, more);
  for (; i < n; i += 4) {
    const count = min(4, n - i);
    const whole = count == 4;
    const g4 = whole ? v128.load(g) : loadPart(g, count);
    const u4 = whole ? v128.load(u) : loadPart(u, count);
    const y4 = whole ? v128.load(dy) : loadPart(dy, count);
    const s = sigmoid4(g4), silu = f32x4.mul(g4, s), z = f32x4.mul(y4, c);
    const slope = f32x4.mul(f32x4.mul(z, u4), gateSlope(g4, s)), lift = f32x4.mul(z, silu);
    if (scaled) {
      const a = f32x4.mul(silu, u4), b = f32x4.mul(a, c);
      sum = madd(a, y4, sum);
      if (whole) v128.store(out, b);
      else storePart(out, b, count);
      out += 16;
    }
    if (whole) { v128.store(dg, slope); v128.store(du, lift); }
    else { storePart(dg, slope, count); storePart(du, lift, count); }
    g += 16; u += 16; dg += 16; du += 16; dy += 16;
  }
  return sumLanes(sum);
}
