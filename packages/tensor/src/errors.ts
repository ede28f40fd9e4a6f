/**
 * The one error class of SPECTRA. Every failure a user can cause or meet carries a stable code, what is
 * wrong, where, and how to fix it.
 */

/** Every code and what it stands for; `docs/errors.md` prints this table. */
export const ERROR_CODES = {
  SHAPE: 'A tensor or array has another shape, rank or dtype than the operation needs.',
  VALUE: 'An argument is outside its range.',
  NOT_FINITE: 'A value that must be finite is NaN or infinite.',
  BACKEND_MISSING: 'A TensorFlow.js backend was asked for that this machine cannot run.',
  BACKEND_FAILED: 'A backend reported an error while it ran a kernel or shader.',
  CONFIG_INVALID: 'A configuration has an unknown key, a missing key or a bad value.',
  FILE_MISSING: 'A file or folder that must exist does not.',
  FILE_EXISTS: 'A file or folder that would be overwritten exists.',
  FILE_BROKEN: 'A file is truncated or is not of the format that its name says.',
  DISK_FULL: 'The disk refused a write.',
  NETWORK: 'A server cannot be reached or refused a request.',
  CORPUS_INVALID: 'A corpus is empty, unreadable or not of the declared form.',
  CHECKPOINT_MISSING: 'No complete checkpoint was found.',
  CHECKPOINT_BROKEN: 'A checkpoint is truncated, fails its hash or has a malformed header.',
  CHECKPOINT_MISMATCH:
    'A checkpoint is whole, but a tensor is missing, unknown or of another shape or dtype.',
  TOKENIZER_INVALID: 'A tokenizer or chat template is missing, cannot be used or does not fit the model.',
  DIVERGED: 'Training produced a loss or gradient that is not finite.',
  INTERRUPTED: 'The user asked to stop.',
  WORKER_FAILED: 'A worker thread died or reported an error.',
  USAGE: 'A command line that cannot be understood.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface SpectraErrorOptions {
  /** What is wrong, in one sentence, with the numbers. */
  readonly message: string;
  /** The function, file, key or tensor concerned. */
  readonly where?: string;
  /** What the user can do about it. */
  readonly fix?: string;
  readonly cause?: unknown;
}

export class SpectraError extends Error {
  override readonly name = 'SpectraError';
  readonly code: ErrorCode;
  readonly where: string | undefined;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, options: SpectraErrorOptions) {
    super(
      options.message +
        (options.where === undefined ? '' : ` (at ${options.where})`) +
        (options.fix === undefined ? '' : ` Fix: ${options.fix}`),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.where = options.where;
    this.fix = options.fix;
  }
}

/** Throws a `SHAPE` error unless `actual` equals `expected`; −1 in `expected` matches any size. */
export function checkShape(actual: readonly number[], expected: readonly number[], where: string): void {
  const equal =
    actual.length === expected.length && expected.every((size, i) => size === -1 || size === actual[i]);
  if (!equal) {
    throw new SpectraError('SHAPE', {
      message: `expected shape [${expected.join(', ')}], got [${actual.join(', ')}].`,
      where,
    });
  }
}

/** Throws a `VALUE` error with `message` unless `condition` holds. */
export function checkValue(
  condition: boolean,
  message: string,
  where: string,
  fix?: string,
): asserts condition {
  if (!condition) throw new SpectraError('VALUE', { message, where, ...(fix === undefined ? {} : { fix }) });
}
