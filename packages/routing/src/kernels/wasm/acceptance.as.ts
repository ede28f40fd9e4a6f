/**
 * Deferred acceptance with capacities: tokens ask experts by falling score, an expert keeps its best `cap` askers in a heap
 * and refuses the rest for good. O(N·k·(E + log cap)) comparisons on the N·E scores; the heaps are E·cap numbers.
 */
import { at, bestOf, isLive, sortSlots } from './slots.as';

let scores: usize, heaps: usize, load_: usize, cursor: usize;
let E: i32, cap: i32, groups: i32, width: i32;

/** Bytes of scratch, besides the results. */
export function acceptanceWork(N: i32, k: i32, m: i32): i32 {
  return 4 * (N * m + k);
}

/** Whether expert e ranks token t below token `than`: the lower score, ties to the higher token. */
@inline function worse(e: i32, t: i32, than: i32): bool {
  const a = load<f32>(at(scores, t * E + e)), b = load<f32>(at(scores, than * E + e));
  return a < b || (a == b && t > than);
}

function push(e: i32, t: i32): void {
  const heap = at(heaps, e * cap);
  let i = load<i32>(at(load_, e));
  store<i32>(at(load_, e), i + 1);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const above = load<i32>(at(heap, parent));
    if (!worse(e, t, above)) break;
    store<i32>(at(heap, i), above);
    i = parent;
  }
  store<i32>(at(heap, i), t);
}

function replaceTop(e: i32, t: i32): void {
  const heap = at(heaps, e * cap);
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= cap) break;
    if (child + 1 < cap && worse(e, load<i32>(at(heap, child + 1)), load<i32>(at(heap, child)))) child++;
    const below = load<i32>(at(heap, child));
    if (!worse(e, below, t)) break;
    store<i32>(at(heap, i), below);
    i = child;
  }
  store<i32>(at(heap, i), t);
}

/** The expert after `e` in t's order within group g, or −1. */
function nextAfter(t: i32, e: i32, g: i32): i32 {
  const row = at(scores, t * E);
  const bound = load<f32>(at(row, e));
  let best = -1;
  let bestScore: f32 = -Infinity;
  for (let other = g * width; other < (g + 1) * width; other++) {
    const score = load<f32>(at(row, other));
    if (!(score < bound || (score == bound && other > e))) continue;
    if (best >= 0 && !(score > bestScore)) continue;
    best = other;
    bestScore = score;
  }
  return best;
}

function ask(first: i32, expert: i32, g: i32): void {
  let t = first, e = expert;
  for (;;) {
    if (load<i32>(at(load_, e)) < cap) {
      push(e, t);
      return;
    }
    const top = load<i32>(at(heaps, e * cap));
    if (!worse(e, t, top)) {
      replaceTop(e, t);
      t = top;
    }
    const place = at(cursor, t * groups + g);
    e = nextAfter(t, load<i32>(place), g);
    if (e < 0) return; // t has asked every expert
    store<i32>(place, e);
  }
}

/** scores [N,E], mask [N] or 0 → expert e's tokens from heaps[e·cap] on, and their number load[e]. */
export function acceptance(
  N: i32, experts: i32, k: i32, m: i32, capacity: i32, scores_: usize, mask: usize, heaps_: usize, load__: usize, work: usize,
): void {
  scores = scores_; heaps = heaps_; load_ = load__; cursor = work;
  E = experts; cap = capacity; groups = m; width = E / m;
  const share = k / m, asked = at(cursor, N * m);
  memory.fill(load_, 0, <usize>E << 2);
  for (let t = 0; t < N; t++) {
    if (!isLive(mask, t)) continue;
    for (let g = 0; g < m; g++) {
      bestOf(at(scores, t * E), g * width, (g + 1) * width, asked, 0, share, 0);
      store<i32>(at(cursor, t * m + g), load<i32>(at(asked, share - 1)));
      for (let j = 0; j < share; j++) ask(t, load<i32>(at(asked, j)), g);
    }
  }
}

/** The accepted pairs as indices [N,k] (unsorted, −1 in empty slots) and the slots filled [N]; their number. */
export function acceptedSlots(N: i32, experts: i32, k: i32, capacity: i32, heaps: usize, load__: usize, indices: usize, filled: usize): i32 {
  let held = 0;
  memory.fill(indices, 0xff, <usize>(N * k) << 2);
  memory.fill(filled, 0, <usize>N << 2);
  for (let e = 0; e < experts; e++) {
    const count = load<i32>(at(load__, e));
    held += count;
    for (let i = 0; i < count; i++) {
      const t = load<i32>(at(heaps, e * capacity + i));
      const slot = load<i32>(at(filled, t));
      store<i32>(at(indices, t * k + slot), e);
      store<i32>(at(filled, t), slot + 1);
    }
  }
  return held;
}

/** Sorts the filled slots of every token. */
export function sortTokens(N: i32, experts: i32, k: i32, scores: usize, indices: usize, filled: usize): void {
  for (let t = 0; t < N; t++) sortSlots(indices, t * k, t * k + load<i32>(at(filled, t)), at(scores, t * experts));
}
