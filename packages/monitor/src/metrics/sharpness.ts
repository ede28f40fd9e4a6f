/** How decided the routes are: entropy of the routing distribution, concentration of the gates. */
import { checkValue, SpectraError } from '@spectra/tensor';
import { checkLength, isToken, RunningMean } from './assignment.ts';

export interface SharpnessOptions {
  /** [N] 1 for a token, 0 for padding. */
  readonly mask?: ArrayLike<number> | undefined;
  /** Expert groups of a granular model; each group's row of P sums to 1, and values are means over groups. */
  readonly groups?: number | undefined;
}

/**
 * mean_t H(P_t)/log E of probabilities [N,E], each row (per group) first scaled to sum 1; 0 for one expert (per
 * group). Null where there is no token.
 */
export function routingEntropy(
  probabilities: ArrayLike<number>,
  experts: number,
  options: SharpnessOptions = {},
): number | null {
  const mean = new RunningMean();
  addRoutingEntropy(mean, probabilities, experts, options);
  return mean.value;
}

/** Adds each token's H(P_t)/log E to `mean`. */
export function addRoutingEntropy(
  mean: RunningMean,
  probabilities: ArrayLike<number>,
  experts: number,
  options: SharpnessOptions,
): void {
  const where = 'routingEntropy';
  const { mask, groups = 1 } = options;
  const rows = probabilities.length / experts;
  checkValue(
    Number.isInteger(rows),
    `${probabilities.length} entries are no rows of ${experts} experts.`,
    where,
  );
  checkValue(
    Number.isInteger(groups) && groups > 0 && experts % groups === 0,
    `${experts} experts are not divisible into ${groups} groups.`,
    where,
  );
  if (mask !== undefined) checkLength(mask, rows, 'mask', where);
  const size = experts / groups;
  const scale = size === 1 ? 0 : 1 / (groups * Math.log(size));
  for (let t = 0; t < rows; t++) {
    if (!isToken(mask, t)) continue;
    let entropy = 0;
    for (let first = t * experts; first < (t + 1) * experts; first += size) {
      entropy += entropyOf(probabilities, first, size);
    }
    mean.add(entropy * scale);
  }
}

/** H of `size` masses from `first` on, scaled to sum 1; 0·log 0 = 0. */
function entropyOf(masses: ArrayLike<number>, first: number, size: number): number {
  let total = 0;
  for (let i = first; i < first + size; i++) total += masses[i]!;
  if (!Number.isFinite(total)) {
    throw new SpectraError('NOT_FINITE', {
      message: `a row of probabilities sums to ${total}.`,
      where: 'routingEntropy',
    });
  }
  let entropy = 0;
  for (let i = first; i < first + size; i++) {
    const p = masses[i]! / total;
    if (p > 0) entropy -= p * Math.log(p);
  }
  return entropy;
}

/**
 * mean_t Σ_j w_tj² (1 − the Gini impurity of the gates) of weights [N,slots], whose gates sum to 1 per group: 1/k for
 * equal gates, 1 for a single one. Null where there is no token.
 */
export function confidence(
  weights: ArrayLike<number>,
  slots: number,
  options: SharpnessOptions = {},
): number | null {
  const mean = new RunningMean();
  addConfidence(mean, weights, slots, options);
  return mean.value;
}

/** Adds each token's Σ_j w_tj² to `mean`. */
export function addConfidence(
  mean: RunningMean,
  weights: ArrayLike<number>,
  slots: number,
  options: SharpnessOptions,
): void {
  const where = 'confidence';
  const { mask, groups = 1 } = options;
  const rows = weights.length / slots;
  checkValue(Number.isInteger(rows), `${weights.length} entries are no rows of ${slots} slots.`, where);
  if (mask !== undefined) checkLength(mask, rows, 'mask', where);
  for (let t = 0; t < rows; t++) {
    if (!isToken(mask, t)) continue;
    let squares = 0;
    for (let j = 0; j < slots; j++) squares += weights[t * slots + j]! ** 2;
    mean.add(squares / groups);
  }
}
