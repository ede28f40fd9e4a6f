/** Models over several safetensors files with a `model.safetensors.index.json`, as on the Hugging Face hub. */
import type { ByteSource } from './byte-source.ts';
import type { HostTensor } from './dtypes.ts';
import { broken, type TensorEntry } from './header.ts';
import { openSafetensors } from './safetensors-reader.ts';
import { specBytes, type TensorSpec } from './safetensors-writer.ts';
import { missingTensor, type ReadOptions, type TensorStore } from './tensor-store.ts';

/** The index file's content. */
export interface ShardIndex {
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Tensor name → file name, beside the index. */
  readonly weight_map: Readonly<Record<string, string>>;
}

export function parseShardIndex(json: string, file: string): ShardIndex {
  let raw: { metadata?: unknown; weight_map?: unknown } | null;
  try {
    raw = JSON.parse(json) as typeof raw;
  } catch (cause) {
    throw broken('the index is not JSON.', file, cause);
  }
  const map = raw?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) {
    throw broken('the index has no weight_map.', file);
  }
  for (const [tensor, shard] of Object.entries(map)) {
    // a name with a separator could reach files outside of the model's folder
    if (typeof shard !== 'string' || !isPlainFileName(shard)) {
      throw broken(`tensor "${tensor}" is said to be in ${JSON.stringify(shard)}, not a file name.`, file);
    }
  }
  const metadata = typeof raw?.metadata === 'object' && raw.metadata !== null ? raw.metadata : {};
  return { metadata: metadata as ShardIndex['metadata'], weight_map: map as ShardIndex['weight_map'] };
}

export function isPlainFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\\0]/.test(name);
}

/**
 * Opens every shard of an index; `open` finds a shard's bytes by its file name. A tensor that the index places in a
 * shard which lacks it is `CHECKPOINT_BROKEN`.
 */
export async function openSharded(
  index: ShardIndex,
  open: (file: string) => Promise<ByteSource>,
  name: string,
): Promise<TensorStore> {
  const shards = new Map<string, TensorStore>();
  const closeAll = async (): Promise<void> => {
    for (const shard of shards.values()) await shard.close();
  };
  try {
    for (const file of [...new Set(Object.values(index.weight_map))].sort()) {
      shards.set(file, await openSafetensors(await open(file)));
    }
    const homes = new Map<string, TensorStore>();
    for (const [tensor, file] of Object.entries(index.weight_map)) {
      const shard = shards.get(file)!;
      if (!shard.has(tensor)) {
        throw broken(`the index places tensor "${tensor}" in ${file}, which lacks it.`, name);
      }
      homes.set(tensor, shard);
    }
    return new ShardedStore(name, index, homes, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

class ShardedStore implements TensorStore {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
  readonly #homes: ReadonlyMap<string, TensorStore>;

  constructor(
    name: string,
    index: ShardIndex,
    homes: ReadonlyMap<string, TensorStore>,
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

  entry(name: string): TensorEntry {
    return this.#home(name).entry(name);
  }

  read(name: string, options?: ReadOptions): Promise<HostTensor> {
    return this.#home(name).read(name, options);
  }

  #home(name: string): TensorStore {
    const found = this.#homes.get(name);
    if (found === undefined) throw missingTensor(name, this.name);
    return found;
  }
}

export interface ShardPlan {
  readonly shards: readonly { readonly file: string; readonly specs: readonly TensorSpec[] }[];
  /** Undefined if one file holds everything. */
  readonly index: ShardIndex | undefined;
}

/**
 * Fills shards in the given order up to `maxBytes` of tensor data each; a tensor is never split, so one larger than
 * that gets a shard of its own. One shard is `<base>.safetensors` without an index.
 */
export function planShards(
  specs: readonly TensorSpec[],
  maxBytes: number,
  base: string,
  metadata: Readonly<Record<string, string>> = {},
): ShardPlan {
  const groups: TensorSpec[][] = [[]];
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
