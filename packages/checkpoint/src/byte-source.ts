/** Where bytes come from: a file (`@spectra/checkpoint/node`), a Blob or memory. */
import { SpectraError } from '@spectra/tensor';

export interface ByteSource {
  /** Named in errors. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Fills `into` with the bytes from `offset` on; the range lies inside the source. */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Bytes in memory, not copied. */
export function bufferSource(bytes: ArrayBuffer | Uint8Array, name = 'buffer'): ByteSource {
  const all = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  return {
    name,
    size: all.byteLength,
    async read(offset, into) {
      checkRange(offset, into.byteLength, all.byteLength, name);
      into.set(all.subarray(offset, offset + into.byteLength));
    },
    async close() {},
  };
}

/** A Blob or File of a browser (Node has Blobs too); only the ranges asked for are read. */
export function blobSource(blob: Blob, name = 'blob'): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, into) {
      checkRange(offset, into.byteLength, blob.size, name);
      const part = await blob.slice(offset, offset + into.byteLength).arrayBuffer();
      into.set(new Uint8Array(part));
    },
    async close() {},
  };
}

function checkRange(offset: number, length: number, size: number, name: string): void {
  if (offset < 0 || offset + length > size) {
    throw new SpectraError('CHECKPOINT_BROKEN', {
      message: `bytes ${offset} to ${offset + length} were asked of ${size}.`,
      where: name,
    });
  }
}
