/**
 * One step of AdamW (Loshchilov & Hutter 2019), clipping included, in one pass that may write over what it read: 15 flops
 * for 16 bytes in and 12 out, so memory's speed is the limit.
 */
import { loadPart, storePart } from './math.as';
import { madd } from './simd.as';

/**
 * g = gradScale·grad; m' = β₁m + (1−β₁)g; v' = β₂v + (1−β₂)g²;
 * p' = keep·p − rate·m' / (√(v'·vScale) + ε), with keep = 1 − lr·decay, rate = lr/(1−β₁ᵗ), vScale = 1/(1−β₂ᵗ).
 */
export function adamwStep(
  p: usize, m: usize, v: usize, g: usize, pOut: usize, mOut: usize, vOut: usize, n: i32,
  beta1: f32, oneMinusBeta1: f32, beta2: f32, oneMinusBeta2: f32,
  keep: f32, rate: f32, vScale: f32, epsilon: f32, gradScale: f32,
): void {
  const b1 = f32x4.splat(beta1), c1 = f32x4.splat(oneMinusBeta1), b2 = f32x4.splat(beta2), c2 = f32x4.splat(oneMinusBeta2);
  const k = f32x4.splat(keep), r = f32x4.splat(rate), s = f32x4.splat(vScale), e = f32x4.splat(epsilon);
  const scale = f32x4.splat(gradScale);
  for (let i = 0; i < n; i += 4) {
    const count = n - i;
    const whole = count >= 4;
    const g4 = f32x4.mul(whole ? v128.load(g) : loadPart(g, count), scale);
    const m4 = madd(b1, whole ? v128.load(m) : loadPart(m, count), f32x4.mul(c1, g4));
    const v4 = madd(b2, whole ? v128.load(v) : loadPart(v, count), f32x4.mul(c2, f32x4.mul(g4, g4)));
    const step = f32x4.div(f32x4.mul(r, m4), f32x4.add(f32x4.sqrt(f32x4.mul(v4, s)), e));
    const p4 = f32x4.sub(f32x4.mul(k, whole ? v128.load(p) : loadPart(p, count)), step);
    if (whole) { v128.store(pOut, p4); v128.store(mOut, m4); v128.store(vOut, v4); }
    else { storePart(pOut, p4, count); storePart(mOut, m4, count); storePart(vOut, v4, count); }
    p += 16; m += 16; v += 16; g += 16; pOut += 16; mOut += 16; vOut += 16;
  }
}
