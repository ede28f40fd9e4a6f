/**
 * Top-k of every row: each score is read once, one comparison of four for most of them, so that memory's speed decides for
 * many experts and the insertions for few.
 */
import { at, bestOf, isLive, sortSlots } from './slots.as';

/** scores [N,E], mask [N] or 0, atLeast [E] or 0 → indices [N,k], k/groups of each group; −1 in empty slots. */
export function topK(N: i32, E: i32, k: i32, groups: i32, scores: usize, mask: usize, atLeast: usize, indices: usize): void {
  const width = E / groups, share = k / groups;
  memory.fill(indices, 0xff, <usize>(N * k) << 2);
  for (let t = 0; t < N; t++) {
    if (!isLive(mask, t)) continue;
    const row = at(scores, t * E);
    let end = t * k;
    for (let g = 0; g < groups; g++) end = bestOf(row, g * width, (g + 1) * width, indices, end, end + share, atLeast);
    if (groups > 1) sortSlots(indices, t * k, end, row);
  }
}
