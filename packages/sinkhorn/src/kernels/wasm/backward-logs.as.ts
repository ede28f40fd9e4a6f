/** The gradient of the steps from the costs: an exponential per entry and factor, for any finite costs and potentials. */
import { expWide4 } from '../../../../tensor/src/kernels/wasm/math.as';
import { maxLanes, sumLanes } from '../../../../tensor/src/kernels/wasm/simd.as';
import { ln } from './ln.as';
import { packCosts } from './log-domain.as';
import { at, at8, b, BLOCK, block, CLOSED, clearSums, flush, given, n, row, totals, w, w8 } from './problem.as';

/** M̄ = P ⊙ (P̄ − ⟨P, P̄⟩) of the rows to `total` [n,w8], and its column sums. */
function lastRowStep(plan: usize, cotangent: usize, total: usize): void {
  clearSums();
  for (let l = 0; l < n; l++) {
    const offset = load<u32>(at(given, l)), to = at(total, l * w8);
    const p = plan + offset, c = cotangent + offset;
    let inner: f64 = 0;
    for (let e = 0; e < w; e++) inner += <f64>load<f32>(at(p, e)) * <f64>load<f32>(at(c, e));
    for (let e = 0; e < w8; e++) {
      const m: f32 = e < w ? load<f32>(at(p, e)) * (load<f32>(at(c, e)) - <f32>inner) : 0;
      store<f32>(at(to, e), m);
      store<f32>(at(block, e), load<f32>(at(block, e)) + m);
    }
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush();
  }
  flush();
}

/** One step back; where log r is large, B is exp(log A + log r) of its own. `ratios` [w8] holds log r, `pull` ḡ. */
function stepBack(x: usize, g: usize, total: usize, ratios: usize, pull: usize, pulled: usize): void {
  const width = w8, sums = block, line = row;
  clearSums();
  for (let l = 0; l < n; l++) {
    const from = at(x, l * width), to = at(total, l * width);
    let top4 = f32x4.splat(-3e38);
    for (let e = 0; e < width; e += 4) {
      const v = f32x4.add(v128.load(at(from, e)), v128.load(at(g, e)));
      v128.store(at(line, e), v);
      top4 = f32x4.pmax(top4, v);
    }
    const top = f32x4.splat(maxLanes(top4));
    let sum4 = f32x4.splat(0);
    for (let e = 0; e < width; e += 4) sum4 = f32x4.add(sum4, expWide4(f32x4.sub(v128.load(at(line, e)), top)));
    const sum = sumLanes(sum4);
    const logSum = f32x4.splat(<f32>ln(<f64>sum));
    const scale = f32x4.splat(<f32>1 / sum);
    let inner4 = f32x4.splat(0);
    for (let e = 0; e < width; e += 4) {
      const logit = f32x4.sub(v128.load(at(line, e)), top);
      // B ≤ 1, so that nothing overflows in a column that a rounding error lifts
      const logB = f32x4.pmin(f32x4.splat(0), f32x4.add(f32x4.sub(logit, logSum), v128.load(at(ratios, e))));
      const q = f32x4.mul(expWide4(logB), v128.load(at(pull, e)));
      v128.store(at(line, e), f32x4.mul(expWide4(logit), scale));
      v128.store(at(pulled, e), q);
      inner4 = f32x4.add(inner4, q);
    }
    const inner = f32x4.splat(sumLanes(inner4));
    for (let e = 0; e < width; e += 4) {
      const back = f32x4.mul(v128.load(at(line, e)), inner);
      v128.store(at(sums, e), f32x4.add(v128.load(at(sums, e)), back));
      v128.store(at(to, e), f32x4.add(v128.load(at(to, e)), f32x4.sub(back, v128.load(at(pulled, e)))));
    }
    if ((l & (BLOCK - 1)) == BLOCK - 1) flush();
  }
  flush();
}

/** Writes the gradient with respect to the cost; `work` as `backwardWork` says for logs. */
export function gradientFromCosts(cost: usize, plan: usize, history: usize, cotangent: usize, gradient: usize, work: usize, stride: i32, steps: i32, scale: f32): void {
  const g = work, ratios = at(g, w8), pull = at(ratios, w8), pulled = at(pull, w8);
  const total = at(pulled, w8), x = at(total, n * w8);
  lastRowStep(plan, cotangent, total);
  packCosts(cost, x, 0);
  for (let i = steps; i >= 1; i--) {
    const after = at(history, i * stride), before = at(history, (i - 1) * stride);
    for (let e = 0; e < w8; e++) {
      const mass = load<f64>(at8(b, e));
      const open = mass > 0;
      const from: f64 = open ? <f64>load<f32>(at(before, e)) : 0;
      store<f32>(at(g, e), open ? <f32>from : CLOSED);
      store<f32>(at(ratios, e), open ? <f32>(<f64>load<f32>(at(after, e)) - from - ln(mass)) : 0);
      store<f32>(at(pull, e), open ? <f32>load<f64>(at8(totals, e)) : 0);
    }
    stepBack(x, g, total, ratios, pull, pulled);
  }
  for (let l = 0; l < n; l++) {
    const from = at(total, l * w8), to = gradient + load<u32>(at(given, l));
    for (let e = 0; e < w; e++) store<f32>(at(to, e), load<f32>(at(from, e)) * scale);
  }
}
