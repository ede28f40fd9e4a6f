/** The second stage of a selection by quota: moves so that no token stays short while an expert has room. */
import type { SelectionSizes } from '../../selection.ts';
import type { Acceptance } from './acceptance.ts';
import { fallingOrder } from './order.ts';

/** The most slots that `count` tokens can hold where an expert takes `cap`. */
export function mostHeld(count: number, cap: number, { experts, k, groups }: SelectionSizes): number {
  return Math.min(count * (k / groups), (experts / groups) * cap) * groups;
}

/**
 * A short token t already holds every expert with room. For the pairs (t,a) of short tokens with experts they
 * lack, by falling score: of a's tokens that lack an expert with room, the one with the lowest score for a (ties: the
 * highest token) leaves a for the best such expert, and t takes a.
 *
 * The token that leaves is found by one walk per expert from its worst token up: a token that holds every expert with
 * room does so for good, since experts only run out of room and tokens only leave full experts. So what the walk has
 * passed never becomes eligible again, and neither does a token that joined by a move.
 */
export class Moves {
  private readonly scores: Float32Array;
  private readonly indices: Int32Array;
  private readonly filled: Int32Array;
  private readonly accepted: Acceptance;
  private readonly cap: number;
  private readonly sizes: SelectionSizes;
  private readonly walks = new Map<number, { readonly tokens: Int32Array; next: number }>();

  constructor(
    scores: Float32Array,
    indices: Int32Array,
    filled: Int32Array,
    accepted: Acceptance,
    cap: number,
    sizes: SelectionSizes,
  ) {
    this.scores = scores;
    this.indices = indices;
    this.filled = filled;
    this.accepted = accepted;
    this.cap = cap;
    this.sizes = sizes;
  }

  /** Moves until no token is short or no expert has room; how often. */
  fill(rows: Uint32Array): number {
    const { experts, k, groups } = this.sizes;
    const load = this.accepted.load;
    const width = experts / groups;
    const groupOf = Int32Array.from({ length: experts }, (_, e) => Math.floor(e / width));
    const spare = new Int32Array(groups);
    load.forEach((n, e) => {
      spare[groupOf[e]!]! += this.cap - n;
    });
    let swaps = 0;
    for (const flat of fallingOrder(
      this.scores,
      experts,
      rows.filter(t => this.filled[t]! < k),
    )) {
      const t = (flat / experts) | 0;
      const a = flat - t * experts;
      const group = groupOf[a]!;
      if (spare[group] === 0 || load[a]! < this.cap || this.slotOf(t, a) >= 0) continue;
      if (groups === 1 ? this.filled[t]! >= k : this.heldOf(t, group, width) >= k / groups) continue;
      const u = this.leaver(a, group);
      if (u < 0) continue;
      const to = this.bestRoom(u, group);
      this.indices[this.slotOf(u, a)] = to;
      this.indices[t * k + this.filled[t]!++] = a;
      load[to]! += 1;
      spare[group]! -= 1;
      swaps++;
    }
    return swaps;
  }

  /** Where token t holds expert e, or −1. */
  private slotOf(t: number, e: number): number {
    const start = t * this.sizes.k;
    for (let j = start; j < start + this.filled[t]!; j++) if (this.indices[j] === e) return j;
    return -1;
  }

  private heldOf(t: number, group: number, width: number): number {
    const start = t * this.sizes.k;
    let count = 0;
    for (let j = start; j < start + this.filled[t]!; j++) {
      const e = this.indices[j]!;
      if (e >= group * width && e < (group + 1) * width) count++;
    }
    return count;
  }

  /** The expert with room in the group that t lacks and scores best (ties: the lowest), or −1. */
  private bestRoom(t: number, group: number): number {
    const { experts, groups } = this.sizes;
    const width = experts / groups;
    const row = t * experts;
    let best = -1;
    for (let e = group * width; e < (group + 1) * width; e++) {
      if (this.accepted.load[e]! >= this.cap || this.slotOf(t, e) >= 0) continue;
      if (best < 0 || this.scores[row + e]! > this.scores[row + best]!) best = e;
    }
    return best;
  }

  private leaver(a: number, group: number): number {
    const walk = this.walks.get(a) ?? { tokens: this.worstFirst(a), next: 0 };
    this.walks.set(a, walk);
    for (; walk.next < walk.tokens.length; walk.next++) {
      const u = walk.tokens[walk.next]!;
      if (this.slotOf(u, a) >= 0 && this.bestRoom(u, group) >= 0) return u;
    }
    return -1;
  }

  private worstFirst(e: number): Int32Array {
    const { experts } = this.sizes;
    const scoreOf = (t: number): number => this.scores[t * experts + e]!;
    const tokens = this.accepted.tokens.slice(e * this.cap, (e + 1) * this.cap);
    return tokens.sort((a, b) => (scoreOf(a) === scoreOf(b) ? b - a : scoreOf(a) - scoreOf(b)));
  }
}
