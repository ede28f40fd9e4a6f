/** What every selection rule shares: sizes, groups of experts, and the checks on them. */

import { checkShape, checkValue, SpectraError } from '@spectra/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface SelectionOptions {
  /** [N], or any shape of N elements such as [B,S]: 1 for a token, 0 for padding. None means all tokens. */
  readonly mask?: Tensor;
  /**
   * m: experts form m equal consecutive groups, and each token takes k/m of each; a group is selected as if it were
   * alone. 1 by default.
   */
  readonly groups?: number;
}

/** The sizes of one selection; `k` and `experts` are over all groups. */
export interface SelectionSizes {
  readonly tokens: number;
  readonly experts: number;
  readonly k: number;
  readonly groups: number;
}

/** Checks scores [N,E], k and groups; `VALUE` and `SHAPE` errors name `where`. */
export function selectionSizes(
  scores: Tensor,
  k: number,
  options: SelectionOptions,
  where: string,
): SelectionSizes {
  checkShape(scores.shape, [-1, -1], where);
  if (scores.dtype !== 'float32') {
    throw new SpectraError('SHAPE', { message: `scores must be float32, got ${scores.dtype}.`, where });
  }
  const [tokens, experts] = scores.shape as [number, number];
  const groups = options.groups ?? 1;
  checkChoice(experts, k, groups, where);
  if (options.mask !== undefined && options.mask.size !== tokens) {
    throw new SpectraError('SHAPE', {
      message: `the mask has ${options.mask.size} elements for ${tokens} tokens.`,
      where,
    });
  }
  return { tokens, experts, k, groups };
}

/** Checks that k of E experts in m groups can be chosen. */
export function checkChoice(experts: number, k: number, groups: number, where: string): void {
  checkValue(
    Number.isInteger(experts) && experts >= 1,
    `experts must be a positive integer, got ${experts}.`,
    where,
  );
  checkValue(Number.isInteger(k) && k >= 1, `k must be a positive integer, got ${k}.`, where);
  checkValue(k <= experts, `k = ${k} is more than the ${experts} experts.`, where, `Use k ≤ ${experts}.`);
  checkValue(
    Number.isInteger(groups) && groups >= 1,
    `groups must be a positive integer, got ${groups}.`,
    where,
  );
  checkValue(
    experts % groups === 0 && k % groups === 0,
    `${experts} experts and k = ${k} must both be divisible by groups = ${groups}.`,
    where,
  );
}

/**
 * The most tokens an expert may take: min(n, ⌈α·n·k/E − 1e-9⌉) for n tokens. The 1e-9 keeps the rounding of
 * α·n·k/E from adding a slot (1.1·100/10 is 11.000000000000002).
 */
export function capacity(alpha: number, tokens: number, k: number, experts: number): number {
  return Math.min(tokens, Math.max(0, Math.ceil((alpha * tokens * k) / experts - 1e-9)));
}

/** The rows that are tokens, in order. */
export function liveRows(mask: ArrayLike<number> | undefined, tokens: number): Uint32Array {
  const rows = new Uint32Array(tokens);
  let count = 0;
  for (let t = 0; t < tokens; t++) if (mask === undefined || mask[t] !== 0) rows[count++] = t;
  return rows.subarray(0, count);
}

/** Throws `NOT_FINITE` at the first score of a token that is NaN or +∞; −∞ is a closed expert. */
export function checkScores(scores: Float32Array, experts: number, rows: Uint32Array, where: string): void {
  for (const t of rows) {
    for (let i = t * experts; i < (t + 1) * experts; i++) {
      if (!(scores[i]! < Number.POSITIVE_INFINITY)) {
        throw new SpectraError('NOT_FINITE', {
          message: `the score of token ${t} for expert ${i - t * experts} is ${scores[i]}.`,
          where,
        });
      }
    }
  }
}
