/**
 * The dispatched assignment as host arrays: what every metric reads. N tokens in row-major order of [B,S].
 */
import { checkValue } from '@spectra/tensor';

export interface Assignment {
  /** [N,slots] experts by falling score; −1 for a dropped slot and at padding. */
  readonly indices: Int32Array;
  /** Slots per token. */
  readonly slots: number;
  /** [N] 1 for a token, 0 for padding; none means all tokens. */
  readonly mask?: ArrayLike<number> | undefined;
}

/** The number of rows N, padding included. Throws `VALUE` unless all lengths and all indices are in range. */
export function checkAssignment(assignment: Assignment, experts: number, where: string): number {
  const { indices, slots, mask } = assignment;
  checkValue(
    Number.isInteger(experts) && experts > 0,
    `experts must be a positive integer, got ${experts}.`,
    where,
  );
  checkValue(Number.isInteger(slots) && slots > 0, `slots must be a positive integer, got ${slots}.`, where);
  const rows = indices.length / slots;
  checkValue(
    Number.isInteger(rows),
    `indices has ${indices.length} entries, not a multiple of ${slots} slots.`,
    where,
  );
  if (mask !== undefined) checkLength(mask, rows, 'mask', where);
  for (let i = 0; i < indices.length; i++) {
    const e = indices[i]!;
    if (e < -1 || e >= experts) {
      checkValue(false, `indices[${i}] is ${e}, outside −1 … ${experts - 1}.`, where);
    }
  }
  return rows;
}

/** Throws `VALUE` unless `array` has `length` entries. */
export function checkLength(array: ArrayLike<number>, length: number, name: string, where: string): void {
  checkValue(array.length === length, `${name} has ${array.length} entries, expected ${length}.`, where);
}

/** Whether row t is a token and not padding. */
export const isToken = (mask: ArrayLike<number> | undefined, t: number): boolean =>
  mask === undefined || mask[t]! > 0;

/** How many rows are tokens. */
export function countTokens(rows: number, mask: ArrayLike<number> | undefined): number {
  if (mask === undefined) return rows;
  let tokens = 0;
  for (let t = 0; t < rows; t++) if (mask[t]! > 0) tokens++;
  return tokens;
}

/** A mean fed one value at a time, so that batches and one pass add in the same order. */
export class RunningMean {
  sum = 0;
  count = 0;

  add(value: number): void {
    this.sum += value;
    this.count++;
  }

  /** The mean, or null where nothing was added. */
  get value(): number | null {
    return this.count === 0 ? null : this.sum / this.count;
  }
}
