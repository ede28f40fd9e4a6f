/** Two assignments of the same tokens compared: two checkpoints, or the training and the decoding rule. */
import { checkValue } from '@spectra/tensor';
import { type Assignment, checkAssignment, checkLength, isToken, RunningMean } from './assignment.ts';
import { sharedExperts } from './sequential.ts';

export interface Consistency {
  /** Share of tokens whose first expert is the same. */
  readonly top1Agreement: number;
  /** Mean Jaccard of the sets of chosen experts. */
  readonly meanJaccard: number;
}

export interface RuleAgreement {
  /** mean |A ∩ A'|/k. */
  readonly agreement: number;
  /** ½·mean Σ|w − w'| over the tokens whose sets are equal; null where there are none. */
  readonly gateDistance: number | null;
}

function comparable(a: Assignment, b: Assignment, experts: number, where: string): number {
  const rows = checkAssignment(a, experts, where);
  checkAssignment(b, experts, where);
  checkValue(
    a.slots === b.slots && a.indices.length === b.indices.length,
    `the assignments differ in size: ${a.indices.length}/${a.slots} and ${b.indices.length}/${b.slots}.`,
    where,
  );
  return rows;
}

const setSize = (indices: Int32Array, row: number, slots: number): number => {
  let size = 0;
  for (let i = row * slots; i < (row + 1) * slots; i++) if (indices[i]! >= 0) size++;
  return size;
};

/**
 * Consistency of the routes of a fixed probe batch under two checkpoints. Tokens are those of `a`'s mask; one that has no
 * expert under either agrees in its first, which is none, and has Jaccard 0, as two empty sets have. Throws `VALUE` where there is no token or the sizes differ.
 */
export function checkpointConsistency(a: Assignment, b: Assignment, experts: number): Consistency {
  const where = 'checkpointConsistency';
  const rows = comparable(a, b, experts, where);
  const { slots } = a;
  const top = new RunningMean();
  const jaccard = new RunningMean();
  for (let t = 0; t < rows; t++) {
    if (!isToken(a.mask, t)) continue;
    top.add(a.indices[t * slots] === b.indices[t * slots] ? 1 : 0);
    const shared = sharedExperts(a.indices, t, b.indices, t, slots);
    const union = setSize(a.indices, t, slots) + setSize(b.indices, t, slots) - shared;
    jaccard.add(union === 0 ? 0 : shared / union);
  }
  checkValue(top.count > 0, 'the probe batch has no token.', where);
  return { top1Agreement: top.sum / top.count, meanJaccard: jaccard.sum / jaccard.count };
}

/**
 * Agreement of two routing rules on the same tokens, with their gates [N,slots]. Tokens are those of `a`'s mask.
 * Throws `VALUE` where there is no token or the sizes differ.
 */
export function ruleAgreement(
  a: Assignment & { readonly weights: ArrayLike<number> },
  b: Assignment & { readonly weights: ArrayLike<number> },
  experts: number,
  expertsPerToken: number = a.slots,
): RuleAgreement {
  const where = 'ruleAgreement';
  const rows = comparable(a, b, experts, where);
  const { slots } = a;
  checkLength(a.weights, a.indices.length, 'weights of the first', where);
  checkLength(b.weights, b.indices.length, 'weights of the second', where);
  const overlap = new RunningMean();
  const distance = new RunningMean();
  for (let t = 0; t < rows; t++) {
    if (!isToken(a.mask, t)) continue;
    const shared = sharedExperts(a.indices, t, b.indices, t, slots);
    overlap.add(shared / expertsPerToken);
    if (shared === setSize(a.indices, t, slots) && shared === setSize(b.indices, t, slots)) {
      distance.add(gateDistance(a, b, t));
    }
  }
  checkValue(overlap.count > 0, 'there is no token to compare.', where);
  return { agreement: overlap.sum / overlap.count, gateDistance: distance.value };
}

/** ½ Σ_e |w_e − w'_e| of one token whose two sets are equal, in whatever order. */
function gateDistance(
  a: Assignment & { readonly weights: ArrayLike<number> },
  b: Assignment & { readonly weights: ArrayLike<number> },
  t: number,
): number {
  const { slots } = a;
  let sum = 0;
  for (let i = t * slots; i < (t + 1) * slots; i++) {
    if (a.indices[i]! < 0) continue;
    for (let j = t * slots; j < (t + 1) * slots; j++) {
      if (b.indices[j] === a.indices[i]) sum += Math.abs(a.weights[i]! - b.weights[j]!);
    }
  }
  return sum / 2;
}
