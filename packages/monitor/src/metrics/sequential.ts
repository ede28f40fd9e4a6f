/** How far neighbouring tokens share experts. */
import { checkValue } from '@spectra/tensor';
import { type Assignment, checkAssignment, checkLength, isToken, RunningMean } from './assignment.ts';

export interface SequentialOptions {
  /** S: rows come as whole sequences of this length. */
  readonly sequenceLength: number;
  /** k that |A ∩ A'| is divided by; default: slots. */
  readonly expertsPerToken?: number | undefined;
  /** [N] document id of each token of packed sequences; only neighbours in one document count. */
  readonly documents?: ArrayLike<number> | undefined;
}

/** How many experts rows a and b share. */
export function sharedExperts(
  a: Int32Array,
  rowA: number,
  b: Int32Array,
  rowB: number,
  slots: number,
): number {
  let shared = 0;
  for (let i = rowA * slots; i < (rowA + 1) * slots; i++) {
    const e = a[i]!;
    if (e < 0) continue;
    for (let j = rowB * slots; j < (rowB + 1) * slots; j++) {
      if (b[j] === e) {
        shared++;
        break;
      }
    }
  }
  return shared;
}

/**
 * mean |A_t ∩ A_{t+1}|/k over neighbours of one sequence (and document) that are both tokens; null where there are
 * none. Independent choice of k of E experts gives k/E.
 */
export function sequentialOverlap(
  assignment: Assignment,
  experts: number,
  options: SequentialOptions,
): number | null {
  const mean = new RunningMean();
  addSequentialOverlap(mean, assignment, experts, options);
  return mean.value;
}

/** Adds |A_t ∩ A_{t+1}|/k of each pair of neighbours to `mean`. */
export function addSequentialOverlap(
  mean: RunningMean,
  assignment: Assignment,
  experts: number,
  options: SequentialOptions,
): void {
  const where = 'sequentialOverlap';
  const rows = checkAssignment(assignment, experts, where);
  const { indices, slots, mask } = assignment;
  const { sequenceLength, expertsPerToken = slots, documents } = options;
  checkValue(
    Number.isInteger(sequenceLength) && sequenceLength > 0 && rows % sequenceLength === 0,
    `${rows} tokens are no whole sequences of length ${sequenceLength}.`,
    where,
  );
  if (documents !== undefined) checkLength(documents, rows, 'documents', where);
  for (let t = 0; t + 1 < rows; t++) {
    const neighbours =
      (t + 1) % sequenceLength !== 0 &&
      isToken(mask, t) &&
      isToken(mask, t + 1) &&
      (documents === undefined || documents[t] === documents[t + 1]);
    if (neighbours) mean.add(sharedExperts(indices, t, indices, t + 1, slots) / expertsPerToken);
  }
}

/** Document ids [N] from flags [N] that are 1 at the first token of each packed document (`RouteContext`). */
export function documentIds(documentStart: ArrayLike<number>, sequenceLength: number): Int32Array {
  const ids = new Int32Array(documentStart.length);
  let id = 0;
  for (let t = 0; t < ids.length; t++) {
    if (t > 0 && (t % sequenceLength === 0 || documentStart[t]! > 0)) id++;
    ids[t] = id;
  }
  return ids;
}
