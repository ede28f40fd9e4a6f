/** The operating system's error codes as errors a user can act on. */
import { SpectraError } from '@spectra/tensor';

export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
}

/** What a failed read stands for. */
export function readError(error: unknown, path: string): SpectraError {
  if (error instanceof SpectraError) return error;
  if (isMissing(error)) {
    return new SpectraError('FILE_MISSING', { message: 'there is no such file.', where: path, cause: error });
  }
  return new SpectraError('FILE_BROKEN', {
    message: `it cannot be read (${codeOf(error) ?? String(error)}).`,
    where: path,
    fix: 'Check its permissions and the disk.',
    cause: error,
  });
}

interface Refusal {
  readonly message: string;
  readonly fix: string;
}

const DENIED: Refusal = {
  message: 'this user may not write there',
  fix: 'Give this user permission to write to the file and its folder, or write elsewhere.',
};
const UNTOUCHED = 'what was there before is untouched.';
const REFUSALS: Readonly<Record<string, Refusal>> = {
  ENOSPC: {
    message: 'no space is left on the disk',
    fix: `Free some space or write to another disk; ${UNTOUCHED}`,
  },
  EDQUOT: { message: 'your disk quota is used up', fix: `Free some space; ${UNTOUCHED}` },
  EROFS: { message: 'the file system is read-only', fix: 'Write elsewhere.' },
  EACCES: DENIED,
  EPERM: DENIED,
};

/** What a failed write stands for. */
export function writeError(error: unknown, path: string): SpectraError {
  if (error instanceof SpectraError) return error;
  const code = codeOf(error);
  if (code === 'EEXIST' || code === 'ENOTEMPTY') {
    return new SpectraError('FILE_EXISTS', { message: 'it exists already.', where: path, cause: error });
  }
  if (isMissing(error)) {
    return new SpectraError('FILE_MISSING', {
      message: 'its folder does not exist.',
      where: path,
      cause: error,
    });
  }
  const { message, ...fix } = REFUSALS[code ?? ''] ?? { message: 'the write failed' };
  return new SpectraError('DISK_FULL', {
    message: `${message} (${code ?? String(error)}).`,
    where: path,
    cause: error,
    ...fix,
  });
}
