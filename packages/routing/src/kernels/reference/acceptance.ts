/**
 * Deferred acceptance (Gale and Shapley 1962) with capacities: tokens ask experts by falling score, an expert keeps its
 * best `cap` askers and refuses the rest for good. The result is the same as taking all pairs by falling score and
 * accepting each while both sides have room, but without sorting the pairs.
 */
import type { SelectionSizes } from '../../selection.ts';
import { bestOfGroup } from './top-k.ts';

/** Who was accepted: expert e's tokens are tokens[e·cap … e·cap + load[e]), in no particular order. */
export interface Acceptance {
  readonly tokens: Int32Array;
  readonly load: Int32Array;
}

/** Ties between tokens go to the lower one, a token's ties between experts to the lower one. */
export function acceptance(
  scores: Float32Array,
  rows: Uint32Array,
  cap: number,
  sizes: SelectionSizes,
): Acceptance {
  const { tokens, experts, k, groups } = sizes;
  const width = experts / groups;
  const heaps = new Int32Array(experts * cap);
  const load = new Int32Array(experts);
  const asked = new Int32Array(k);
  /** The last expert that a token asked in each group. */
  const cursor = new Int32Array(tokens * groups);

  /** Expert e's worst token is on top: the lowest score, ties to the highest token. */
  const worse = (e: number, t: number, than: number): boolean => {
    const a = scores[t * experts + e]!;
    const b = scores[than * experts + e]!;
    return a < b || (a === b && t > than);
  };
  const push = (e: number, t: number): void => {
    const heap = e * cap;
    let i = load[e]!++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!worse(e, t, heaps[heap + parent]!)) break;
      heaps[heap + i] = heaps[heap + parent]!;
      i = parent;
    }
    heaps[heap + i] = t;
  };
  const replaceTop = (e: number, t: number): void => {
    const heap = e * cap;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= cap) break;
      if (child + 1 < cap && worse(e, heaps[heap + child + 1]!, heaps[heap + child]!)) child++;
      if (!worse(e, heaps[heap + child]!, t)) break;
      heaps[heap + i] = heaps[heap + child]!;
      i = child;
    }
    heaps[heap + i] = t;
  };
  /** The expert after `e` in t's order within e's group, or −1. */
  const nextAfter = (t: number, e: number, group: number): number => {
    const row = t * experts;
    const bound = scores[row + e]!;
    let best = -1;
    let bestScore = Number.NEGATIVE_INFINITY;
    for (let other = group * width; other < (group + 1) * width; other++) {
      const score = scores[row + other]!;
      const after = score < bound || (score === bound && other > e);
      if (after && (best < 0 || score > bestScore)) {
        best = other;
        bestScore = score;
      }
    }
    return best;
  };
  const ask = (first: number, expert: number, group: number): void => {
    let t = first;
    let e = expert;
    for (;;) {
      if (load[e]! < cap) {
        push(e, t);
        return;
      }
      const top = heaps[e * cap]!;
      if (!worse(e, t, top)) {
        replaceTop(e, t);
        t = top;
      }
      e = nextAfter(t, cursor[t * groups + group]!, group);
      if (e < 0) return; // t has asked every expert
      cursor[t * groups + group] = e;
    }
  };
  for (const t of rows) {
    for (let g = 0; g < groups; g++) {
      const end = bestOfGroup(scores, asked, t, g, sizes, 0);
      cursor[t * groups + g] = asked[end - 1]!;
      for (let j = 0; j < end; j++) ask(t, asked[j]!, g);
    }
  }
  return { tokens: heaps, load };
}
