/** The operating system's error codes as errors a user can act on. */
import { SpectraError } from '@spectra/tensor';

function codeOf(error: unknown): string | undefined {
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

const WRITE_FIXES: Readonly<Record<string, string>> = {
  ENOSPC: 'Free some space or write to another disk; what was there before is untouched.',
  EDQUOT: 'Your disk quota is used up: free some space; what was there before is untouched.',
  EROFS: 'The file system is read-only: write elsewhere.',
  EACCES: 'Give this user permission to write there.',
  EPERM: 'Give this user permission to write there.',
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
  const fix = WRITE_FIXES[code ?? ''];
  return new SpectraError('DISK_FULL', {
    message:
      code === 'ENOSPC' ? 'no space is left on the disk.' : `the write failed (${code ?? String(error)}).`,
    where: path,
    cause: error,
    ...(fix === undefined ? {} : { fix }),
  });
}
