/** Short row vectors: dot products and sums of multiples, any length. */
import { madd, sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';

/** ⟨a, b⟩ over D floats. */
// @ts-ignore: decorator
@inline export function dot(a: usize, b: usize, D: i32): f32 {
  let sum = f32x4.splat(0);
  let d = 0;
  for (; d + 4 <= D; d += 4) {
    sum = madd(v128.load(a + (<usize>d << 2)), v128.load(b + (<usize>d << 2)), sum);
  }
  let total = sumLanes(sum);
  for (; d < D; d++) total += load<f32>(a + (<usize>d << 2)) * load<f32>(b + (<usize>d << 2));
  return total;
}

/** y += factor·x over D floats. */
// @ts-ignore: decorator
@inline export function addMultiple(y: usize, factor: f32, x: usize, D: i32): void {
  const f = f32x4.splat(factor);
  let d = 0;
  for (; d + 4 <= D; d += 4) {
    const at = <usize>d << 2;
    v128.store(y + at, madd(f, v128.load(x + at), v128.load(y + at)));
  }
  for (; d < D; d++) {
    const at = <usize>d << 2;
    store<f32>(y + at, load<f32>(y + at) + factor * load<f32>(x + at));
  }
}

/** y = factor·x over D floats. */
// @ts-ignore: decorator
@inline export function multiple(y: usize, factor: f32, x: usize, D: i32): void {
  const f = f32x4.splat(factor);
  let d = 0;
  for (; d + 4 <= D; d += 4) {
    const at = <usize>d << 2;
    v128.store(y + at, f32x4.mul(f, v128.load(x + at)));
  }
  for (; d < D; d++) {
    const at = <usize>d << 2;
    store<f32>(y + at, factor * load<f32>(x + at));
  }
}
