/** P = softmax((γ − C)/ε) of each group of a token's experts: one exponential an entry. */
import { exp1 } from '../../../../tensor/src/kernels/wasm/math.as';
import { at } from './rows.as';

/**
 * cost [N,E], price [E] or 0, mask [N] or 0 → logits (γ − C)/ε and probabilities [N,E], rows of padding 0. False where a
 * token's cost is not finite.
 */
export function pricedPlan(N: i32, E: i32, groups: i32, cost: usize, price: usize, mask: usize, epsilon: f32, logits: usize, probabilities: usize): bool {
  const width = E / groups;
  for (let t = 0; t < N; t++) {
    const live: f32 = mask == 0 ? 1 : load<f32>(at(mask, t));
    for (let first = t * E; first < (t + 1) * E; first += width) {
      let top: f32 = -Infinity;
      for (let i = first; i < first + width; i++) {
        const c = load<f32>(at(cost, i));
        if (c - c != 0 && live != 0) return false;
        const own: f32 = price == 0 ? 0 : load<f32>(at(price, i - t * E));
        const logit = (own - c) / epsilon;
        store<f32>(at(logits, i), logit);
        top = max(top, logit);
      }
      let sum: f32 = 0;
      for (let i = first; i < first + width; i++) {
        const p = exp1(load<f32>(at(logits, i)) - top);
        store<f32>(at(probabilities, i), p);
        sum += p;
      }
      for (let i = first; i < first + width; i++) {
        store<f32>(at(probabilities, i), live == 0 ? 0 : live * (load<f32>(at(probabilities, i)) / sum));
      }
    }
  }
  return true;
}

/** out = factor·x over n floats. */
export function scaled(n: i32, factor: f32, x: usize, out: usize): void {
  for (let i = 0; i < n; i++) store<f32>(at(out, i), factor * load<f32>(at(x, i)));
}
