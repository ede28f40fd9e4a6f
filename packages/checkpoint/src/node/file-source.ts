/** A file as a ByteSource. */
import { type FileHandle, open } from 'node:fs/promises';
import type { ByteSource } from '../byte-source.ts';
import { broken } from '../header.ts';
import { readError } from './file-errors.ts';

/** Linux reads at most 2 GiB less a page at once. */
const MAX_READ = 1 << 30;

/** Opens a file for range reads; `FILE_MISSING` if it does not exist. */
export async function fileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  let size: number;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    throw readError(error, path);
  }
  try {
    size = (await handle.stat()).size;
  } catch (error) {
    await handle.close();
    throw readError(error, path);
  }
  return {
    name: path,
    size,
    async read(offset, into) {
      for (let done = 0; done < into.byteLength; ) {
        const length = Math.min(MAX_READ, into.byteLength - done);
        const { bytesRead } = await readAt(handle, into, done, length, offset + done, path);
        if (bytesRead === 0) throw broken(`it ends at byte ${offset + done}: truncated while open.`, path);
        done += bytesRead;
      }
    },
    close: () => handle.close(),
  };
}

async function readAt(
  handle: FileHandle,
  into: Uint8Array,
  at: number,
  length: number,
  position: number,
  path: string,
): Promise<{ bytesRead: number }> {
  try {
    return await handle.read(into, at, length, position);
  } catch (error) {
    throw readError(error, path);
  }
}
