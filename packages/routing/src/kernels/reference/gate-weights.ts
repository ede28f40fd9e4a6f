/** Gate weights and their gradient on plain arrays, in float64. */
import type { GateSizes } from '../../gate-weights.ts';

/** Writes the slots of token t that hold an expert of group g to `held`, as positions in `indices`; their number. */
function heldSlots(indices: Int32Array, t: number, g: number, sizes: GateSizes, held: Int32Array): number {
  const { slots, groups } = sizes;
  const width = sizes.experts / groups;
  let count = 0;
  for (let j = t * slots; j < (t + 1) * slots; j++) {
    const e = indices[j]!;
    if (e >= g * width && e < (g + 1) * width) held[count++] = j;
  }
  return count;
}

/** [N,slots] weights of the held slots, 0 elsewhere. */
export function gateForward(scores: Float32Array, indices: Int32Array, sizes: GateSizes): Float32Array {
  const { tokens, experts, slots, groups, kind } = sizes;
  const weights = new Float32Array(indices.length);
  const held = new Int32Array(slots);
  const mass = new Float64Array(slots);
  for (let t = 0; t < tokens; t++) {
    for (let g = 0; g < groups; g++) {
      const count = heldSlots(indices, t, g, sizes, held);
      let most = Number.NEGATIVE_INFINITY;
      for (let j = 0; j < count; j++) {
        mass[j] = scores[t * experts + indices[held[j]!]!]!;
        most = Math.max(most, mass[j]!);
      }
      let total = 0;
      for (let j = 0; j < count; j++) {
        if (kind === 'log') mass[j] = most === Number.NEGATIVE_INFINITY ? 0 : Math.exp(mass[j]! - most);
        total += mass[j]!;
      }
      for (let j = 0; j < count; j++) {
        weights[held[j]!] = kind === 'raw' ? mass[j]! : total > 0 ? mass[j]! / total : 1 / count;
      }
    }
  }
  return weights;
}

/**
 * [N,E] gradient of the scores from the cotangent ȳ of the weights w: (ȳ − Σ w·ȳ)/Σs for shares, w·(ȳ − Σ w·ȳ) for the
 * softmax, ȳ for raw scores; 0 where equal shares stood in for scores that are all 0 (all −∞).
 */
export function gateBackward(
  scores: Float32Array,
  indices: Int32Array,
  weights: Float32Array,
  dy: Float32Array,
  sizes: GateSizes,
): Float32Array {
  const { tokens, experts, slots, groups, kind } = sizes;
  const gradient = new Float32Array(tokens * experts);
  const held = new Int32Array(slots);
  for (let t = 0; t < tokens; t++) {
    for (let g = 0; g < groups; g++) {
      const count = heldSlots(indices, t, g, sizes, held);
      let total = 0;
      let mean = 0;
      for (let j = 0; j < count; j++) {
        const slot = held[j]!;
        total += scores[t * experts + indices[slot]!]!;
        mean += weights[slot]! * dy[slot]!;
      }
      for (let j = 0; j < count; j++) {
        const slot = held[j]!;
        const at = t * experts + indices[slot]!;
        if (kind === 'raw') gradient[at] = dy[slot]!;
        else if (kind === 'share') gradient[at] = total > 0 ? (dy[slot]! - mean) / total : 0;
        else gradient[at] = scores[at]! > Number.NEGATIVE_INFINITY ? weights[slot]! * (dy[slot]! - mean) : 0;
      }
    }
  }
  return gradient;
}
