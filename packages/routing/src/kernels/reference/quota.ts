/**
 * Expert choice with capacity on plain arrays: deferred acceptance, then moves so that no token stays short while an
 * expert has room.
 */
import type { SelectionSizes } from '../../selection.ts';
import { acceptance } from './acceptance.ts';
import { Moves, mostHeld } from './moves.ts';
import { sortSlots } from './top-k.ts';

export interface QuotaResult {
  /** [N,k] by falling score, −1 for a dropped slot and where the row is no token. */
  readonly indices: Int32Array;
  /** Slots of tokens that no expert took. */
  readonly dropped: number;
  /** Moves made in stage 2. */
  readonly swaps: number;
}

/** At most `cap` tokens for each expert, k/m experts of each of m groups for each of the tokens `rows`. */
export function quota(
  scores: Float32Array,
  rows: Uint32Array,
  cap: number,
  sizes: SelectionSizes,
): QuotaResult {
  const { tokens, experts, k } = sizes;
  const accepted = acceptance(scores, rows, cap, sizes);
  const indices = new Int32Array(tokens * k).fill(-1);
  const filled = new Int32Array(tokens);
  for (let e = 0; e < experts; e++) {
    for (let i = e * cap; i < e * cap + accepted.load[e]!; i++) {
      const t = accepted.tokens[i]!;
      indices[t * k + filled[t]!++] = e;
    }
  }
  let held = 0;
  for (const n of accepted.load) held += n;
  const short = held < mostHeld(rows.length, cap, sizes);
  const swaps = short ? new Moves(scores, indices, filled, accepted, cap, sizes).fill(rows) : 0;
  for (const t of rows) sortSlots(indices, t * k, t * k + filled[t]!, scores, t * experts);
  return { indices, dropped: rows.length * k - held - swaps, swaps };
}
