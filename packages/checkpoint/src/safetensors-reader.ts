/** Reads a safetensors file tensor by tensor, by byte range; the file itself is never held in memory. */
import type { ByteSource } from './byte-source.ts';
import { widen } from './convert.ts';
import { bytesOf, DTYPES, type HostData, type HostTensor, sizeOf } from './dtypes.ts';
import { broken, headerLength, parseHeader, type SafetensorsHeader, type TensorEntry } from './header.ts';
import { planSlice } from './slice.ts';
import { checkStoredShape, missingTensor, type ReadOptions, type TensorStore } from './tensor-store.ts';

/** Widening goes through a buffer of this size; a multiple of every element's. */
const STAGING_BYTES = 4 << 20;

/** Opens and checks a file; `CHECKPOINT_BROKEN` if it is malformed or truncated. Takes over the source. */
export async function openSafetensors(source: ByteSource): Promise<TensorStore> {
  try {
    const header = await readHeader(source);
    return new SafetensorsFile(source, header);
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

class SafetensorsFile implements TensorStore {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #source: ByteSource;
  readonly #entries: ReadonlyMap<string, TensorEntry>;

  constructor(source: ByteSource, header: SafetensorsHeader) {
    this.name = source.name;
    this.metadata = header.metadata;
    this.#source = source;
    this.#entries = header.entries;
  }

  names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  entry(name: string): TensorEntry {
    const found = this.#entries.get(name);
    if (found === undefined) throw missingTensor(name, this.name);
    return found;
  }

  async read(name: string, options: ReadOptions = {}): Promise<HostTensor> {
    const entry = this.entry(name);
    const where = `${this.name}, tensor "${name}"`;
    if (options.shape !== undefined) checkStoredShape(entry, options.shape, this.name);
    const plan = planSlice(entry.shape, options.slice, where);
    const data = new DTYPES[entry.dtype].host(sizeOf(plan.shape));
    let done = 0;
    for (const start of plan.starts) {
      await this.#readRun(entry, start, data.subarray(done, done + plan.run) as HostData, where);
      done += plan.run;
    }
    return { dtype: entry.dtype, shape: plan.shape, data };
  }

  close(): Promise<void> {
    return this.#source.close();
  }

  /** Fills `to` with elements from `start` on. */
  async #readRun(entry: TensorEntry, start: number, to: HostData, where: string): Promise<void> {
    const { bytes: elementBytes, raw } = DTYPES[entry.dtype];
    const offset = entry.begin + start * elementBytes;
    if (raw) return this.#source.read(offset, bytesOf(to));
    const perStage = STAGING_BYTES / elementBytes;
    const staging = new Uint8Array(Math.min(STAGING_BYTES, to.length * elementBytes));
    for (let done = 0; done < to.length; done += perStage) {
      const count = Math.min(perStage, to.length - done);
      const bytes = staging.subarray(0, count * elementBytes);
      await this.#source.read(offset + done * elementBytes, bytes);
      widen(entry.dtype, bytes, to.subarray(done, done + count) as HostData, where);
    }
  }
}
