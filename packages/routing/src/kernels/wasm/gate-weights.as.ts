/** Gate weights of the held slots and their gradient; N·k values, so reading and clearing [N,E] is all the time it takes. */
import { exp1 } from '../../../../tensor/src/kernels/wasm/math.as';
import { at } from './slots.as';

/** Kinds of gates, as `GATE_KINDS` numbers them: 0 shares, 1 log scores, 2 raw scores. */
@inline const LOG: i32 = 1;
@inline const RAW: i32 = 2;

@inline function holds(e: i32, first: i32, width: i32): bool { return e >= first && e < first + width; }

/** scores [N,E], indices [N,k] → weights [N,k], 0 in empty slots. */
export function gateForward(N: i32, E: i32, k: i32, groups: i32, kind: i32, scores: usize, indices: usize, weights: usize): void {
  const width = E / groups;
  memory.fill(weights, 0, <usize>(N * k) << 2);
  for (let t = 0; t < N; t++) {
    const row = at(scores, t * E), slots = at(indices, t * k), out = at(weights, t * k);
    for (let first = 0; first < E; first += width) {
      let most: f32 = -Infinity;
      let count = 0;
      for (let j = 0; j < k; j++) {
        const e = load<i32>(at(slots, j));
        if (!holds(e, first, width)) continue;
        most = max(most, load<f32>(at(row, e)));
        count++;
      }
      if (count == 0) continue;
      let total: f64 = 0;
      for (let j = 0; j < k; j++) {
        const e = load<i32>(at(slots, j));
        if (!holds(e, first, width)) continue;
        const score = load<f32>(at(row, e));
        const mass: f32 = kind != LOG ? score : most == <f32>-Infinity ? 0 : exp1(score - most);
        store<f32>(at(out, j), mass);
        total += <f64>mass;
      }
      if (kind == RAW) continue;
      for (let j = 0; j < k; j++) {
        if (!holds(load<i32>(at(slots, j)), first, width)) continue;
        const share: f64 = total > 0 ? <f64>load<f32>(at(out, j)) / total : 1.0 / <f64>count;
        store<f32>(at(out, j), <f32>share);
      }
    }
  }
}

/** The cotangent of the scores [N,E] from that of the weights [N,k]. */
export function gateBackward(
  N: i32, E: i32, k: i32, groups: i32, kind: i32, scores: usize, indices: usize, weights: usize, dy: usize, gradient: usize,
): void {
  const width = E / groups;
  memory.fill(gradient, 0, <usize>(N * E) << 2);
  for (let t = 0; t < N; t++) {
    const row = at(scores, t * E), slots = at(indices, t * k), w = at(weights, t * k), d = at(dy, t * k), out = at(gradient, t * E);
    for (let first = 0; first < E; first += width) {
      let total: f64 = 0, mean: f64 = 0;
      for (let j = 0; j < k; j++) {
        const e = load<i32>(at(slots, j));
        if (!holds(e, first, width)) continue;
        total += <f64>load<f32>(at(row, e));
        mean += <f64>load<f32>(at(w, j)) * <f64>load<f32>(at(d, j));
      }
      for (let j = 0; j < k; j++) {
        const e = load<i32>(at(slots, j));
        if (!holds(e, first, width)) continue;
        const above = <f64>load<f32>(at(d, j)) - mean;
        let value: f64 = <f64>load<f32>(at(d, j));
        if (kind == LOG) value = load<f32>(at(row, e)) > <f32>-Infinity ? <f64>load<f32>(at(w, j)) * above : 0;
        else if (kind != RAW) value = total > 0 ? above / total : 0;
        store<f32>(at(out, e), <f32>value);
      }
    }
  }
}

/** load [E]: how many of `count` indices name each expert. */
export function expertLoad(count: i32, E: i32, indices: usize, load_: usize): void {
  memory.fill(load_, 0, <usize>E << 2);
  for (let i = 0; i < count; i++) {
    const e = load<i32>(at(indices, i));
    if (<u32>e < <u32>E) store<i32>(at(load_, e), load<i32>(at(load_, e)) + 1);
  }
}
