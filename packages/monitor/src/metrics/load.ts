/** How evenly the dispatched slots fall on the experts. */
import { checkValue } from '@spectra/tensor';
import { type Assignment, checkAssignment, isToken } from './assignment.ts';

/** All of one load vector n; μ = Σn/E, p = n/Σn. */
export interface LoadMetrics {
  /** μ, slots per expert. */
  readonly mean: number;
  /** Coefficient of variation std(n)/μ, population form. */
  readonly cv: number;
  /** max(n)/μ − 1. */
  readonly maxViolation: number;
  /** 1 − min(n)/μ. */
  readonly minViolation: number;
  /** Σ_ij |n_i − n_j| / (2E²μ). */
  readonly gini: number;
  /** H(p)/log E; 1 for one expert. */
  readonly entropy: number;
  /** Share of experts with n = 0. */
  readonly unusedRate: number;
  /** KL(p ‖ uniform) in nats. */
  readonly klToUniform: number;
  /** Share of the requested slots that were not dispatched. */
  readonly droppedRate: number;
}

/** n_e: the slots dispatched to each expert, [E]. Adds to `into` if given. */
export function countLoad(
  assignment: Assignment,
  experts: number,
  into: Float64Array = new Float64Array(experts),
): Float64Array {
  const rows = checkAssignment(assignment, experts, 'countLoad');
  const { indices, slots, mask } = assignment;
  for (let t = 0; t < rows; t++) {
    if (!isToken(mask, t)) continue;
    for (let j = 0; j < slots; j++) {
      const e = indices[t * slots + j]!;
      if (e >= 0) into[e] = into[e]! + 1;
    }
  }
  return into;
}

/**
 * Load metrics of n_e. `requested` is N·k, the slots that would be dispatched if none were dropped (default: Σn);
 * a router that dispatches more (expert choice with α > 1) has a dropped rate of 0. Throws `VALUE` for an
 * empty or negative load and where nothing was dispatched: no metric has a value there.
 */
export function loadMetrics(load: ArrayLike<number>, requested?: number): LoadMetrics {
  const where = 'loadMetrics';
  const experts = load.length;
  const sorted = Float64Array.from(load).sort();
  checkValue(experts > 0, 'the load vector is empty.', where);
  checkValue(
    sorted.every(n => n >= 0),
    `a load is negative or NaN: ${sorted.find(n => !(n >= 0))}.`,
    where,
  );
  const total = sorted.reduce((a, b) => a + b, 0);
  checkValue(total > 0, 'no slot was dispatched to any expert.', where, 'Observe a batch that has tokens.');

  const mean = total / experts;
  let squares = 0;
  let gini = 0;
  let entropy = 0;
  let unused = 0;
  for (let i = 0; i < experts; i++) {
    const n = sorted[i]!;
    squares += (n - mean) ** 2;
    // over a sorted vector Σ_ij |n_i − n_j| = 2 Σ_i (2i − E + 1) n_i
    gini += 2 * (2 * i - experts + 1) * n;
    if (n > 0) entropy -= (n / total) * Math.log(n / total);
    else unused++;
  }
  return {
    mean,
    cv: Math.sqrt(squares / experts) / mean,
    maxViolation: sorted[experts - 1]! / mean - 1,
    minViolation: 1 - sorted[0]! / mean,
    gini: gini / (2 * experts * experts * mean),
    entropy: experts === 1 ? 1 : entropy / Math.log(experts),
    unusedRate: unused / experts,
    klToUniform: Math.max(0, Math.log(experts) - entropy),
    droppedRate: Math.max(0, 1 - total / (requested ?? total)),
  };
}

/**
 * √((E/k − 1)/N): the CV that a perfectly balanced router still shows on N tokens, since a price learned on other
 * tokens can only balance in expectation. Report a held-out CV beside it.
 */
export function samplingFloor(experts: number, expertsPerToken: number, tokens: number): number {
  const where = 'samplingFloor';
  checkValue(
    experts > 0 && tokens > 0,
    `experts (${experts}) and tokens (${tokens}) must be positive.`,
    where,
  );
  checkValue(
    expertsPerToken > 0 && expertsPerToken <= experts,
    `expertsPerToken must be in 1 … ${experts}, got ${expertsPerToken}.`,
    where,
  );
  return Math.sqrt((experts / expertsPerToken - 1) / tokens);
}
