/**
 * The gradient of the steps that were run, one group of experts in one call. With A the row softmax of x + g_{i−1} and
 * B = A ⊙ r its column softmax (r = exp(g_i − g_{i−1})/b), one step back is
 *
 *     M̄ ← M̄ − Bḡ + A⟨B, ḡ⟩        ḡ ← Σ_t A⟨B, ḡ⟩
 *
 * A is taken from the plan, A ∝ P ⊙ exp(g_{i−1} − g_T), without an exponential per entry; where g has moved too far for
 * float32's range it is taken from the costs.
 */
import { maxLanes, sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { expf, expf4, ln } from './exp-log.as';
import { at, at8, BLOCK, CLOSED, columnMass, flush, liveRows, packCosts, padded } from './problem.as';

/** Largest |g_{i−1} − g_T| for which A is taken from the plan, and largest log r for which B is A ⊙ r. */
// @ts-ignore: decorator
@inline const LARGEST_MOVE: f64 = 20;
// @ts-ignore: decorator
@inline const LARGEST_RATIO: f64 = 40;

/** Bytes of working memory that `backward` needs. */
export function backwardWork(N: i32, width: i32): i32 {
  return 12 * N * padded(width) + 4 * N + 64 * padded(width) + 64;
}

/** P ⊙ (P̄ − ⟨P, P̄⟩) of the live rows to `total`, the rows of P to `kernel`. */
function lastRowStep(plan: usize, cotangent: usize, stride: i32, rows: usize, n: i32, w: i32, kernel: usize, total: usize): void {
  const w4 = padded(w);
  for (let l = 0; l < n; l++) {
    const from = load<i32>(at(rows, l)) * stride;
    const p = at(kernel, l * w4), to = at(total, l * w4);
    memory.copy(p, at(plan, from), <usize>w * 4);
    memory.copy(to, at(cotangent, from), <usize>w * 4);
    for (let e = w; e < w4; e++) {
      store<f32>(at(p, e), 0);
      store<f32>(at(to, e), 0);
    }
    let inner4 = f32x4.splat(0);
    for (let e = 0; e < w4; e += 4) inner4 = f32x4.add(inner4, f32x4.mul(v128.load(at(p, e)), v128.load(at(to, e))));
    const inner = f32x4.splat(sumLanes(inner4));
    for (let e = 0; e < w4; e += 4) {
      v128.store(at(to, e), f32x4.mul(v128.load(at(p, e)), f32x4.sub(v128.load(at(to, e)), inner)));
    }
  }
}

/** One step back from A = normalised kernel ⊙ v, with weights ḡ ⊙ r. */
function stepFromPlan(n: i32, w4: i32, kernel: usize, total: usize, v: usize, weights: usize, row: usize, block: usize, totals: usize): void {
  for (let l = 0; l < n; l++) {
    const from = at(kernel, l * w4), to = at(total, l * w4);
    let sum4 = f32x4.splat(0), inner4 = f32x4.splat(0);
    for (let e = 0; e < w4; e += 4) {
      const y = f32x4.mul(v128.load(at(from, e)), v128.load(at(v, e)));
      v128.store(at(row, e), y);
      sum4 = f32x4.add(sum4, y);
      inner4 = f32x4.add(inner4, f32x4.mul(y, v128.load(at(weights, e))));
    }
    const inverse = <f32>1 / sumLanes(sum4);
    const inner = f32x4.splat(sumLanes(inner4) * inverse), scale = f32x4.splat(inverse);
    for (let e = 0; e < w4; e += 4) {
      const a = f32x4.mul(v128.load(at(row, e)), scale);
      const back = f32x4.mul(a, inner);
      v128.store(at(block, e), f32x4.add(v128.load(at(block, e)), back));
      const change = f32x4.mul(a, f32x4.sub(inner, v128.load(at(weights, e))));
      v128.store(at(to, e), f32x4.add(v128.load(at(to, e)), change));
    }
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush(block, totals, w4);
  }
  flush(block, totals, w4);
}

/** The same from the costs; where log r is large, B is exp(log A + log r) of its own. `ratios` [w4] holds log r. */
function stepFromCosts(
  n: i32, w: i32, x: usize, g: usize, total: usize, ratios: usize, gradient: usize, row: usize, pulled: usize, block: usize, totals: usize,
): void {
  const w4 = padded(w);
  for (let l = 0; l < n; l++) {
    const from = at(x, l * w4), to = at(total, l * w4);
    let top4 = f32x4.splat(-3e38);
    for (let e = 0; e < w4; e += 4) {
      const v = f32x4.add(v128.load(at(from, e)), v128.load(at(g, e)));
      v128.store(at(row, e), v);
      top4 = f32x4.pmax(top4, v);
    }
    const top = maxLanes(top4);
    let sum4 = f32x4.splat(0);
    for (let e = 0; e < w4; e += 4) sum4 = f32x4.add(sum4, expf4(f32x4.sub(v128.load(at(row, e)), f32x4.splat(top))));
    const sum = sumLanes(sum4);
    const logSum = f32x4.splat(<f32>ln(<f64>sum));
    const scale = f32x4.splat(<f32>1 / sum);
    let inner4 = f32x4.splat(0);
    for (let e = 0; e < w4; e += 4) {
      const logit = f32x4.sub(v128.load(at(row, e)), f32x4.splat(top));
      // B ≤ 1, so that nothing overflows in a column that a rounding error lifts
      const logB = f32x4.pmin(f32x4.splat(0), f32x4.add(f32x4.sub(logit, logSum), v128.load(at(ratios, e))));
      const q = f32x4.mul(expf4(logB), v128.load(at(gradient, e)));
      v128.store(at(row, e), f32x4.mul(expf4(logit), scale));
      v128.store(at(pulled, e), q);
      inner4 = f32x4.add(inner4, q);
    }
    const inner = f32x4.splat(sumLanes(inner4));
    for (let e = 0; e < w4; e += 4) {
      const back = f32x4.mul(v128.load(at(row, e)), inner);
      v128.store(at(block, e), f32x4.add(v128.load(at(block, e)), back));
      v128.store(at(to, e), f32x4.add(v128.load(at(to, e)), f32x4.sub(back, v128.load(at(pulled, e)))));
    }
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush(block, totals, w4);
  }
  flush(block, totals, w4);
}

/** One group; pointers as in `forward`. `steps` of the `history` are undone; writes the gradient with respect to the cost. */
export function backward(
  cost: usize, mask: usize, mass: usize, plan: usize, history: usize, cotangent: usize, gradient: usize, work: usize,
  N: i32, stride: i32, w: i32, epsilon: f64, steps: i32,
): void {
  const w4 = padded(w);
  const totals = work, b = at8(totals, w4), g = at8(b, w4);
  const v = at(g, w4), weights = at(v, w4), ratios = at(weights, w4), block = at(ratios, w4), row = at(block, w4), pulled = at(row, w4);
  const back = at(pulled, w4);
  const total = at(back, w4), kernel = at(total, N * w4), x = at(kernel, N * w4), rows = at(x, N * w4);
  const n = liveRows(mask, rows, N);
  columnMass(mass, b, w, max(n, 1));
  lastRowStep(plan, cotangent, stride, rows, n, w, kernel, total);

  memory.fill(totals, 0, <usize>w4 * 8);
  memory.fill(block, 0, <usize>w4 * 4);
  for (let l = 0; l < n; l++) {
    for (let e = 0; e < w4; e += 4) v128.store(at(block, e), f32x4.add(v128.load(at(block, e)), v128.load(at(total, l * w4 + e))));
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush(block, totals, w4);
  }
  flush(block, totals, w4);

  let packed = false;
  for (let i = steps; i >= 1; i--) {
    const after = at(history, i * stride), before = at(history, (i - 1) * stride), last = at(history, steps * stride);
    let near = true;
    for (let e = 0; e < w4; e++) {
      const isOpen = load<f64>(at8(b, e)) > 0;
      const from: f64 = isOpen ? <f64>load<f32>(at(before, e)) : 0;
      const moved: f64 = isOpen ? from - <f64>load<f32>(at(last, e)) : 0;
      const ratio: f64 = isOpen ? <f64>load<f32>(at(after, e)) - from - ln(load<f64>(at8(b, e))) : 0;
      near = near && abs(moved) <= LARGEST_MOVE && ratio <= LARGEST_RATIO;
      const pull = <f32>load<f64>(at8(totals, e));
      store<f32>(at(g, e), isOpen ? <f32>from : CLOSED);
      store<f32>(at(v, e), isOpen ? expf(<f32>moved) : 0);
      store<f32>(at(ratios, e), isOpen ? <f32>ratio : 0);
      store<f32>(at(back, e), isOpen ? pull : 0);
      store<f32>(at(weights, e), isOpen ? pull * expf(<f32>ratio) : 0);
    }
    memory.fill(totals, 0, <usize>w4 * 8);
    memory.fill(block, 0, <usize>w4 * 4);
    if (near) {
      stepFromPlan(n, w4, kernel, total, v, weights, row, block, totals);
    } else {
      if (!packed) packCosts(cost, stride, rows, n, w, <f32>epsilon, b, x, 0);
      packed = true;
      stepFromCosts(n, w, x, g, total, ratios, back, row, pulled, block, totals);
    }
  }

  if (n < N) for (let t = 0; t < N; t++) memory.fill(at(gradient, t * stride), 0, <usize>w * 4);
  const scale = f32x4.splat(<f32>(-1.0 / epsilon));
  for (let l = 0; l < n; l++) {
    const from = at(total, l * w4);
    for (let e = 0; e < w4; e += 4) v128.store(at(from, e), f32x4.mul(v128.load(at(from, e)), scale));
    memory.copy(at(gradient, load<i32>(at(rows, l)) * stride), from, <usize>w * 4);
  }
}
