/** File access with the errors a user can act on. */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { SpectraError } from '@spectra/tensor';

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

/** Runs a file operation; a full disk, a missing folder or a refused access become a `SpectraError`. */
export function fileOperation<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SpectraError('DISK_FULL', {
        message: 'the disk refused a write.',
        where: path,
        fix: 'free space and resume the run; whole lines and records are kept.',
        cause,
      });
    }
    if (code === 'EEXIST') {
      throw new SpectraError('FILE_EXISTS', { message: 'the file exists.', where: path, cause });
    }
    if (
      code === 'ENOENT' ||
      code === 'EACCES' ||
      code === 'EROFS' ||
      code === 'EISDIR' ||
      code === 'ENOTDIR'
    ) {
      throw new SpectraError('FILE_MISSING', {
        message: `the file cannot be opened (${code}).`,
        where: path,
        fix: `make sure that ${dirname(path)} exists and is writable.`,
        cause,
      });
    }
    throw cause;
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done);
}

/**
 * A file that grows by whole entries: one that the disk refuses half-way is taken back, so that what is written after
 * it does not run into its stump. `flag`: `a` continues a file, `ax` refuses an existing one.
 */
export class AppendFile {
  readonly path: string;
  #descriptor: number | undefined;

  constructor(path: string, flag: 'a' | 'ax') {
    this.path = path;
    this.#descriptor = fileOperation(path, () => openSync(path, flag));
  }

  append(entry: Uint8Array): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) {
      throw new SpectraError('VALUE', { message: 'the sink is closed.', where: this.path });
    }
    fileOperation(this.path, () => {
      const { size } = fstatSync(descriptor);
      try {
        writeAll(descriptor, entry);
      } catch (error) {
        try {
          ftruncateSync(descriptor, size);
        } catch {
          // the refused write is the error to report; a reader drops the stump
        }
        throw error;
      }
    });
  }

  /** Waits for the disk. Closing twice does nothing. */
  close(): void {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return;
    this.#descriptor = undefined;
    fileOperation(this.path, () => {
      fsyncSync(descriptor);
      closeSync(descriptor);
    });
  }
}

/** Replaces a file's content such that a crash leaves either the old or the new one. */
export function replaceFile(path: string, content: Uint8Array): void {
  const temporary = `${path}.tmp`;
  const descriptor = openSync(temporary, 'w');
  try {
    writeAll(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, path);
}
