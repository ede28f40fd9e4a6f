/** Reads a safetensors file tensor by tensor, by byte range; the file itself is never held in memory. */
import type { ByteSource } from './byte-source.ts';
import { widen } from './convert.ts';
import { allocate, bytesOf, DTYPES, type HostData, type HostTensor, sizeOf } from './dtypes.ts';
import { broken, headerLength, parseHeader, type SafetensorsHeader } from './header.ts';
import { longestRead, planReads, planSlice } from './slice.ts';
import {
  checkStoredShape,
  missingTensor,
  type ReadOptions,
  type StoredEntry,
  type StoredTensors,
  tensorPlace,
} from './tensor-store.ts';

/** Of one read, and of the buffer through which narrow elements are widened; a multiple of every element's size. */
export const STAGING_BYTES = 4 << 20;

/**
 * Opens and checks a file; `CHECKPOINT_BROKEN` if it is malformed or truncated. Takes over the source. `file` is what the
 * entries call it: the source's name by default.
 */
export async function openSafetensors(source: ByteSource, file = source.name): Promise<StoredTensors> {
  try {
    const header = await readHeader(source);
    return new SafetensorsFile(source, header, file);
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Reads only the header. */
export async function readHeader(source: ByteSource): Promise<SafetensorsHeader> {
  if (source.size < 8) throw broken(`the file has ${source.size} bytes and no header.`, source.name);
  const prefix = new Uint8Array(8);
  await source.read(0, prefix);
  const json = new Uint8Array(headerLength(prefix, source.size, source.name));
  await source.read(8, json);
  return parseHeader(json, source.size, source.name);
}

class SafetensorsFile implements StoredTensors {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: ByteSource;
  readonly #entries: SafetensorsHeader['entries'];
  readonly #file: string;

  constructor(source: ByteSource, header: SafetensorsHeader, file: string) {
    this.name = source.name;
    this.metadata = header.metadata;
    this.#source = source;
    this.#entries = header.entries;
    this.#file = file;
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  entry(name: string): StoredEntry {
    const found = this.#entries.get(name);
    if (found === undefined) throw missingTensor(name, this.name);
    return { ...found, file: this.#file };
  }

  async read(name: string, options: ReadOptions = {}): Promise<HostTensor> {
    const entry = this.entry(name);
    const where = tensorPlace(this.name, name);
    if (options.shape !== undefined) checkStoredShape(entry, options.shape, this.name);
    const plan = planSlice(entry.shape, options.slice, where);
    const data = allocate(entry.dtype, sizeOf(plan.shape), where);
    const { bytes: size, raw } = DTYPES[entry.dtype];
    const staging = new Uint8Array(
      raw && plan.run === data.length ? 0 : longestRead(plan, entry.shape, STAGING_BYTES / size) * size,
    );
    let done = 0;
    for (const { start, end, runs } of planReads(plan, STAGING_BYTES / size)) {
      const offset = entry.begin + start * size;
      if (raw && runs.length === 1) {
        await this.#source.read(offset, bytesOf(data.subarray(done, done + end - start)));
        done += end - start;
        continue;
      }
      await this.#source.read(offset, staging.subarray(0, (end - start) * size));
      for (const [from, to] of runs) {
        const bytes = staging.subarray((from - start) * size, (to - start) * size);
        widen(entry.dtype, bytes, data.subarray(done, done + to - from) as HostData, where);
        done += to - from;
      }
    }
    return { dtype: entry.dtype, shape: plan.shape, data };
  }

  async readBytes(name: string, offset: number, into: Uint8Array): Promise<void> {
    const { begin, end } = this.entry(name);
    if (!(offset >= 0) || begin + offset + into.byteLength > end) {
      throw broken(
        `bytes ${offset} to ${offset + into.byteLength} were asked of ${end - begin}.`,
        tensorPlace(this.name, name),
      );
    }
    await this.#source.read(begin + offset, into);
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
