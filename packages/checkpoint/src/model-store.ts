/**
 * A model's weights under their logical names: what a file keeps as codes and scales is one float32 tensor. The stored
 * tensors stay reachable, for tools that copy them byte for byte.
 */
import { SpectraError } from '@spectra/tensor';
import type { HostTensor, TensorInfo } from './dtypes.ts';
import { type BlockSize, FP8_BLOCK } from './fp8-blocks.ts';
import { broken, quote } from './header.ts';
import { blocksName, fp8Storage, mxfp4Storage, scalesName } from './quantised-storage.ts';
import { readFp8, readMxfp4 } from './read-quantised.ts';
import {
  checkStoredShape,
  missingTensor,
  type ReadOptions,
  type StoredEntry,
  type StoredTensors,
  type TensorStore,
  tensorPlace,
} from './tensor-store.ts';

/** How a file keeps a tensor. */
export type TensorStorage =
  | { readonly kind: 'plain'; readonly tensor: StoredEntry }
  | {
      readonly kind: 'fp8-blocks';
      readonly dtype: 'F8_E4M3' | 'F8_E5M2';
      readonly codes: StoredEntry;
      readonly scales: StoredEntry;
      readonly block: BlockSize;
    }
  | { readonly kind: 'mxfp4'; readonly blocks: StoredEntry; readonly scales: StoredEntry };

/**
 * Logical names, shapes and values. `entry` of a quantised tensor says F32, which is what `read` gives, and of MXFP4 the
 * shape [E, in, out]. Reading one holds its result and a few MB. A scale that is not finite is `NOT_FINITE`.
 */
export interface ModelStore extends TensorStore {
  /** The tensors as the files hold them. */
  readonly stored: StoredTensors;
  storage(name: string): TensorStorage;
}

/** The tensors that a storage consists of. */
export function storedParts(storage: TensorStorage): readonly StoredEntry[] {
  switch (storage.kind) {
    case 'plain':
      return [storage.tensor];
    case 'fp8-blocks':
      return [storage.codes, storage.scales];
    case 'mxfp4':
      return [storage.blocks, storage.scales];
  }
}

export interface QuantisationOptions {
  /** Rows and columns that share a scale; [128, 128] by default. */
  readonly block?: BlockSize;
}

/**
 * The logical view of stored tensors; closing it closes them. Errors, all `CHECKPOINT_MISMATCH`: codes without scales,
 * scales without codes, another dtype than theirs, or scales whose shape does not fit. Two tensors of one logical name
 * are `CHECKPOINT_BROKEN`.
 */
export function dequantised(stored: StoredTensors, options: QuantisationOptions = {}): ModelStore {
  const block = options.block ?? FP8_BLOCK;
  const kinds = new Map<string, QuantisedKind>();
  const hidden = new Set<string>();
  for (const name of stored.names()) {
    const found = fp8Storage(stored, name, block) ?? mxfp4Storage(stored, name);
    if (found === undefined) continue;
    const { kind } = found.storage;
    if (kinds.has(found.name) || (kind === 'mxfp4' && stored.has(found.name))) {
      throw broken(`${quote(found.name)} is there twice.`, stored.name);
    }
    kinds.set(found.name, kind);
    for (const part of storedParts(found.storage)) if (part.name !== found.name) hidden.add(part.name);
  }
  const scaled = [...kinds.values()].includes('fp8-blocks');
  const logical = stored.names().flatMap(name => {
    if (!hidden.has(name)) {
      if (scaled && !kinds.has(name)) checkScaled(stored.entry(name), stored.name);
      return [name];
    }
    // an MXFP4 tensor stands where its blocks stand
    const base = name.replace(/_blocks$/, '');
    return base !== name && kinds.get(base) === 'mxfp4' ? [base] : [];
  });
  return new DequantisedStore(stored, logical, kinds, block);
}

type QuantisedKind = Exclude<TensorStorage['kind'], 'plain'>;

/** Where some weights have scales, one without was forgotten. */
function checkScaled({ name, dtype }: TensorInfo, store: string): void {
  if ((dtype !== 'F8_E4M3' && dtype !== 'F8_E5M2') || !name.endsWith('.weight')) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `it is ${dtype}, but its scales ${quote(scalesName(name))} are missing.`,
    where: tensorPlace(store, name),
    fix: 'Use the whole checkpoint: other weights of it have scales.',
  });
}

class DequantisedStore implements ModelStore {
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly stored: StoredTensors;
  readonly #names: ReadonlySet<string>;
  readonly #kinds: ReadonlyMap<string, QuantisedKind>;
  readonly #block: BlockSize;

  constructor(
    stored: StoredTensors,
    names: readonly string[],
    kinds: ReadonlyMap<string, QuantisedKind>,
    block: BlockSize,
  ) {
    this.name = stored.name;
    this.metadata = stored.metadata;
    this.stored = stored;
    this.#names = new Set(names);
    this.#kinds = kinds;
    this.#block = block;
  }

  names(): string[] {
    return [...this.#names];
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  storage(name: string): TensorStorage {
    if (!this.has(name)) throw missingTensor(name, this.name);
    // made anew each time: a trillion-parameter model has a hundred thousand of them
    const kind = this.#kinds.get(name);
    const found =
      kind === 'fp8-blocks'
        ? fp8Storage(this.stored, scalesName(name), this.#block)
        : kind === 'mxfp4'
          ? mxfp4Storage(this.stored, blocksName(name))
          : undefined;
    return found?.storage ?? { kind: 'plain', tensor: this.stored.entry(name) };
  }

  entry(name: string): TensorInfo {
    const storage = this.storage(name);
    switch (storage.kind) {
      case 'plain':
        return storage.tensor;
      case 'fp8-blocks':
        return { name, dtype: 'F32', shape: storage.codes.shape };
      case 'mxfp4': {
        const [experts, outputs, groups] = storage.scales.shape as [number, number, number];
        return { name, dtype: 'F32', shape: [experts, groups * 32, outputs] };
      }
    }
  }

  async read(name: string, options: ReadOptions = {}): Promise<HostTensor> {
    const storage = this.storage(name);
    if (storage.kind === 'plain') return this.stored.read(name, options);
    const { shape } = this.entry(name);
    if (options.shape !== undefined)
      checkStoredShape({ name, dtype: 'F32', shape }, options.shape, this.name);
    return storage.kind === 'mxfp4'
      ? readMxfp4(this.stored, storage, shape, options.slice, tensorPlace(this.name, name))
      : readFp8(this.stored, storage, options.slice, tensorPlace(this.name, name));
  }

  close(): Promise<void> {
    return this.stored.close();
  }
}
