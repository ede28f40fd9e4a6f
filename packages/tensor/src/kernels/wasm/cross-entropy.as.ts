/**
 * Softmax cross-entropy of rows of logits. Row by row: forward reads a row twice, the second time from the cache, and
 * writes two floats; backward reads and writes it once. Some 20 flops, an exponential, a logit.
 */
import { exp1, exp4, loadPart, log1, storePart } from './math.as';
import { maxRun } from './reduce.as';
import { sumLanes } from './simd.as';

/** loss = w·(lse − x_t) and lse = ln Σ e^x; loss 0 where w = 0 or the target is outside [0, n). */
export function crossEntropy(
  x: usize, targets: usize, weights: usize, loss: usize, lse: usize, rows: i32, n: i32,
): void {
  for (let r = 0; r < rows; r++) {
    const total = logSumExp(x, n);
    const target = load<i32>(targets);
    const weight = load<f32>(weights);
    const used = <u32>target < <u32>n && weight != 0;
    store<f32>(loss, used ? weight * (total - load<f32>(x + (<usize>target << 2))) : 0);
    store<f32>(lse, total);
    x += <usize>n << 2; targets += 4; weights += 4; loss += 4; lse += 4;
  }
}

/** ln Σ e^x of a row; −∞ if every element is. */
export function logSumExp(x: usize, n: i32): f32 {
  const top = maxRun(x, n);
  if (top == -Infinity) return top;
  const m = f32x4.splat(top);
  let a = f32x4.splat(0), b = a;
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    a = f32x4.add(a, exp4(f32x4.sub(v128.load(x), m)));
    b = f32x4.add(b, exp4(f32x4.sub(v128.load(x, 16), m)));
    x += 32;
  }
  let total = sumLanes(f32x4.add(a, b));
  for (; i < n; i++) { total += exp1(load<f32>(x) - top); x += 4; }
  return top + log1(total);
}

/** dx = dy·w·(softmax(x) − onehot(target)). */
export function crossEntropyGrad(
  x: usize, targets: usize, weights: usize, lse: usize, dy: usize, dx: usize, rows: i32, n: i32,
): void {
  const row = <usize>n << 2;
  for (let r = 0; r < rows; r++) {
    const target = load<i32>(targets);
    const scale = load<f32>(weights) * load<f32>(dy);
    if (<u32>target >= <u32>n || scale == 0) memory.fill(dx, 0, row);
    else {
      scaledExp(x, dx, n, load<f32>(lse), scale);
      const at = dx + (<usize>target << 2);
      store<f32>(at, load<f32>(at) - scale);
    }
    x += row; dx += row; targets += 4; weights += 4; lse += 4; dy += 4;
  }
}

/** out = scale·e^(x − shift). */
function scaledExp(x: usize, out: usize, n: i32, shift: f32, scale: f32): void {
  const s = f32x4.splat(shift), c = f32x4.splat(scale);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const a = f32x4.mul(exp4(f32x4.sub(v128.load(x), s)), c), b = f32x4.mul(exp4(f32x4.sub(v128.load(x, 16), s)), c);
    v128.store(out, a); v128.store(out, b, 16);
    x += 32; out += 32;
  }
  for (; i < n; i += 4) {
    const count = min(4, n - i);
    const v = count == 4 ? v128.load(x) : loadPart(x, count);
    const y = f32x4.mul(exp4(f32x4.sub(v, s)), c);
    if (count == 4) v128.store(out, y);
    else storePart(out, y, count);
    x += 16; out += 16;
  }
}
