/** Top-k on plain arrays. */
import type { SelectionSizes } from '../../selection.ts';

/**
 * The k best experts of each row, k/m of each of m groups, by falling score (ties: the lowest expert); −1 in every slot
 * of other rows and in slots for which no expert of the group has a score of at least `atLeast[e]`.
 */
export function topK(
  scores: Float32Array,
  rows: Uint32Array,
  sizes: SelectionSizes,
  atLeast?: ArrayLike<number>,
): Int32Array {
  const { experts, k, groups } = sizes;
  const indices = new Int32Array(sizes.tokens * k).fill(-1);
  for (const t of rows) {
    let end = t * k;
    for (let g = 0; g < groups; g++) end = bestOfGroup(scores, indices, t, g, sizes, end, atLeast);
    if (groups > 1) sortSlots(indices, t * k, end, scores, t * experts);
  }
  return indices;
}

/** Writes the best k/m experts of group g by falling score to `indices` from `start` on; where they end. */
export function bestOfGroup(
  scores: Float32Array | Float64Array,
  indices: Int32Array,
  t: number,
  g: number,
  { experts, k, groups }: SelectionSizes,
  start: number,
  atLeast?: ArrayLike<number>,
): number {
  const row = t * experts;
  const last = ((g + 1) * experts) / groups;
  const full = start + k / groups;
  let end = start;
  let worst = Number.NEGATIVE_INFINITY;
  for (let e = (g * experts) / groups; e < last; e++) {
    const score = scores[row + e]!;
    if (end === full && !(score > worst)) continue;
    if (atLeast !== undefined && !(score >= atLeast[e]!)) continue;
    let j = end === full ? end - 1 : end++;
    while (j > start && score > scores[row + indices[j - 1]!]!) {
      indices[j] = indices[j - 1]!;
      j--;
    }
    indices[j] = e;
    worst = scores[row + indices[end - 1]!]!;
  }
  return end;
}

/** Sorts the experts in slots start…end of one token, whose scores start at `row`: falling score, then expert. */
export function sortSlots(
  indices: Int32Array,
  start: number,
  end: number,
  scores: Float32Array,
  row: number,
): void {
  for (let i = start + 1; i < end; i++) {
    const e = indices[i]!;
    const score = scores[row + e]!;
    let j = i;
    for (; j > start; j--) {
      const other = indices[j - 1]!;
      const otherScore = scores[row + other]!;
      if (score < otherScore || (score === otherScore && other < e)) break;
      indices[j] = other;
    }
    indices[j] = e;
  }
}
