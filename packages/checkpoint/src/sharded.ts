/** Models over several safetensors files with a `model.safetensors.index.json`, as on the Hugging Face hub. */
import type { ByteSource } from './byte-source.ts';
import type { HostTensor } from './dtypes.ts';
import { findDuplicateKey } from './duplicate-keys.ts';
import { broken, isRecord, quote } from './header.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { specBytes, type WritableSpec } from './safetensors-writer.ts';
import { missingTensor, type ReadOptions, type StoredEntry, type StoredTensors } from './tensor-store.ts';

/** Characters of a piece of an index that is written. */
const INDEX_PIECE = 1 << 16;

/** The index file's content. */
export interface ShardIndex {
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Tensor name → file name, beside the index. */
  readonly weight_map: Readonly<Record<string, string>>;
}

/** Reads an index; `CHECKPOINT_BROKEN` if it is malformed, names a tensor twice or a file elsewhere. */
export function parseShardIndex(json: string, file: string): ShardIndex {
  let raw: unknown;
  try {
    raw = JSON.parse(json);
  } catch (cause) {
    throw broken('the index is not JSON.', file, cause);
  }
  const map = isRecord(raw) ? raw.weight_map : undefined;
  if (!isRecord(raw) || !isRecord(map)) throw broken('the index has no weight_map.', file);
  const duplicate = findDuplicateKey(json, raw);
  if (duplicate !== undefined) throw broken(`the index names ${quote(duplicate)} twice.`, file);
  // `in` and not `Object.entries`, here and below: a list of a hundred thousand pairs is megabytes of garbage
  for (const tensor in map) {
    const shard = map[tensor];
    // a name with a separator could reach files outside of the model's folder
    if (typeof shard !== 'string' || !isPlainFileName(shard)) {
      throw broken(`tensor ${quote(tensor)} is said to be in ${quote(shard)}, not a file name.`, file);
    }
  }
  const metadata = isRecord(raw.metadata) ? raw.metadata : {};
  return { metadata, weight_map: map as ShardIndex['weight_map'] };
}

/** An index as indented JSON, piece by piece: that of a trillion-parameter model is 13 MB. */
export function* indexText(
  metadata: ShardIndex['metadata'],
  homes: Iterable<readonly [tensor: string, file: string]>,
): Generator<string> {
  yield `{\n  "metadata": ${JSON.stringify(metadata, null, 2).replaceAll('\n', '\n  ')},\n  "weight_map": {`;
  let piece = '';
  let separator = '\n';
  for (const [tensor, file] of homes) {
    piece += `${separator}    ${JSON.stringify(tensor)}: ${JSON.stringify(file)}`;
    separator = ',\n';
    if (piece.length < INDEX_PIECE) continue;
    yield piece;
    piece = '';
  }
  yield `${piece}\n  }\n}\n`;
}

export function isPlainFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

/** Shards whose headers are read at the same time: over a network the waiting adds up. */
const OPENED_TOGETHER = 8;

/**
 * Opens every shard of an index; `open` finds a shard's bytes by its file name. A tensor that the index places in a
 * shard which lacks it is `CHECKPOINT_BROKEN`. Tensors of the shards that the index does not name are not there.
 */
export async function openSharded(
  index: ShardIndex,
  open: (file: string) => Promise<ByteSource>,
  name: string,
): Promise<StoredTensors> {
  const shards = new Map<string, StoredTensors>();
  const closeAll = async (): Promise<void> => {
    for (const shard of shards.values()) await shard.close();
  };
  const named = new Set<string>();
  for (const tensor in index.weight_map) named.add(index.weight_map[tensor]!);
  const waiting = [...named].sort();
  let failed = false;
  const openNext = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined && !failed; file = waiting.shift()) {
      try {
        shards.set(file, await openSafetensors(await open(file), file));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const opened = await Promise.allSettled(Array.from({ length: OPENED_TOGETHER }, openNext));
  try {
    for (const result of opened) if (result.status === 'rejected') throw result.reason;
    const homes = new Map<string, StoredTensors>();
    for (const tensor in index.weight_map) {
      const file = index.weight_map[tensor]!;
      const shard = shards.get(file)!;
      if (!shard.has(tensor)) {
        throw broken(`the index places tensor ${quote(tensor)} in ${file}, which lacks it.`, name);
      }
      homes.set(tensor, shard);
    }
    return new ShardedStore(name, index, homes, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

class ShardedStore implements StoredTensors {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
  readonly #homes: ReadonlyMap<string, StoredTensors>;

  constructor(
    name: string,
    index: ShardIndex,
    homes: ReadonlyMap<string, StoredTensors>,
    close: () => Promise<void>,
  ) {
    this.name = name;
    this.close = close;
    this.#homes = homes;
    const strings = Object.entries(index.metadata).filter(([, value]) => typeof value === 'string');
    this.metadata = Object.fromEntries(strings) as Record<string, string>;
  }

  names(): string[] {
    return [...this.#homes.keys()];
  }

  has(name: string): boolean {
    return this.#homes.has(name);
  }

  entry(name: string): StoredEntry {
    return this.#home(name).entry(name);
  }

  read(name: string, options?: ReadOptions): Promise<HostTensor> {
    return this.#home(name).read(name, options);
  }

  readBytes(name: string, offset: number, into: Uint8Array): Promise<void> {
    return this.#home(name).readBytes(name, offset, into);
  }

  #home(name: string): StoredTensors {
    const found = this.#homes.get(name);
    if (found === undefined) throw missingTensor(name, this.name);
    return found;
  }
}

export interface ShardPlan {
  readonly shards: readonly { readonly file: string; readonly specs: readonly WritableSpec[] }[];
  /** Undefined if one file holds everything. */
  readonly index: ShardIndex | undefined;
}

/**
 * Fills shards in the given order up to `maxBytes` of tensor data each; a tensor is never split, so one larger than
 * that gets a shard of its own. One shard is `<base>.safetensors` without an index.
 */
export function planShards(
  specs: readonly WritableSpec[],
  maxBytes: number,
  base: string,
  metadata: Readonly<Record<string, string>> = {},
): ShardPlan {
  const groups: WritableSpec[][] = [[]];
  let used = 0;
  for (const spec of specs) {
    const bytes = specBytes(spec);
    if (used > 0 && used + bytes > maxBytes) {
      groups.push([]);
      used = 0;
    }
    groups.at(-1)!.push(spec);
    used += bytes;
  }
  if (groups.length === 1) {
    return { shards: [{ file: `${base}.safetensors`, specs }], index: undefined };
  }
  const pad = (n: number): string => String(n).padStart(5, '0');
  const shards = groups.map((group, i) => ({
    file: `${base}-${pad(i + 1)}-of-${pad(groups.length)}.safetensors`,
    specs: group,
  }));
  const homes = shards.flatMap(({ file, specs: group }) => group.map(spec => [spec.name, file] as const));
  const total = specs.reduce((sum, spec) => sum + specBytes(spec), 0);
  return {
    shards,
    index: { metadata: { ...metadata, total_size: total }, weight_map: Object.fromEntries(homes) },
  };
}
