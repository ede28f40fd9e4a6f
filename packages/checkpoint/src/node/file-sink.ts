/** Files that are on the disk, and hashed, when their writer says so. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { ByteSink } from '../safetensors-writer.ts';
import { writeError } from './file-errors.ts';

export interface WrittenFile {
  /** In bytes. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/**
 * Creates `path` (which must not exist: `FILE_EXISTS`), lets `fill` write to it, and resolves after fsync with its
 * size and hash. A full disk is `DISK_FULL`; the part written so far is left for the caller to remove.
 */
export async function writeFileDurably(
  path: string,
  fill: (sink: ByteSink) => Promise<void>,
): Promise<WrittenFile> {
  const handle = await openForWriting(path);
  const hash = createHash('sha256');
  let size = 0;
  const sink: ByteSink = {
    async write(bytes) {
      const writing = writeAll(handle, bytes, path);
      hash.update(bytes); // while the disk is at work
      await writing;
      size += bytes.byteLength;
    },
  };
  try {
    await fill(sink);
    await synced(handle, path);
  } finally {
    await handle.close();
  }
  return { size, sha256: hash.digest('hex') };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, path: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.byteLength; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done);
      done += bytesWritten;
    }
  } catch (error) {
    throw writeError(error, path);
  }
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    throw writeError(error, path);
  }
}

async function synced(handle: FileHandle, path: string): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Makes the names in a folder durable; where folders cannot be synced (Windows), renames already are ordered. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await synced(handle, folder);
  } finally {
    await handle.close();
  }
}
