/** Exit codes of the command line. */
import { type ErrorCode, SpectraError } from '@spectra/tensor';

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  environment: 3,
  diverged: 4,
  interrupted: 130,
  terminated: 143,
} as const;

const BY_CODE: Partial<Record<ErrorCode, number>> = {
  USAGE: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  BACKEND_MISSING: EXIT.environment,
  DIVERGED: EXIT.diverged,
  INTERRUPTED: EXIT.interrupted,
};

export function exitCodeOf(error: unknown): number {
  return (error instanceof SpectraError ? BY_CODE[error.code] : undefined) ?? EXIT.failed;
}

/** One line a user can act on; the stack only with SPECTRA_DEBUG. */
export function formatError(error: unknown): string {
  if (!(error instanceof SpectraError))
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const stack = process.env.SPECTRA_DEBUG === undefined ? '' : `\n${error.stack}`;
  return `error ${error.code}: ${error.message}${stack}`;
}
