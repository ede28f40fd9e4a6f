/** Named tensors on disk or in memory, read one at a time; one file or many shards look the same. */
import { SpectraError } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor, TensorInfo } from './dtypes.ts';
import { quote, type TensorEntry } from './header.ts';
import type { TensorSlice } from './slice.ts';

export interface ReadOptions {
  /** Reads only this part. */
  readonly slice?: TensorSlice;
  /** The shape the whole tensor must have, else `CHECKPOINT_MISMATCH`; −1 matches any size. */
  readonly shape?: readonly number[];
}

export interface TensorStore {
  /** The file or folder, for messages. */
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  names(): string[];
  has(name: string): boolean;
  /** Dtype and shape; a name that is not there is a `CHECKPOINT_MISMATCH`. */
  entry(name: string): TensorInfo;
  /**
   * Into new host memory: one copy, plus 4 MB while widening. `VALUE` if that much memory cannot be had: read it in
   * pieces (`readPieces`).
   */
  read(name: string, options?: ReadOptions): Promise<HostTensor>;
  close(): Promise<void>;
}

/** Where the bytes of a tensor lie. */
export interface StoredEntry extends TensorEntry {
  /** The file of a sharded model, as its index names it; else the source's name. */
  readonly file: string;
}

/** Tensors exactly as the files hold them: codes and scales of a quantised weight are two tensors. */
export interface StoredTensors extends TensorStore {
  entry(name: string): StoredEntry;
  /** Fills `into` with the tensor's bytes from `offset` on; the range lies inside the tensor. */
  readBytes(name: string, offset: number, into: Uint8Array): Promise<void>;
}

/**
 * Reads into a tf.Tensor, owned by the caller: float dtypes as float32, BOOL as bool, integers as int32
 * (`CHECKPOINT_MISMATCH` beyond ±2^31).
 */
export async function readTensor(
  store: TensorStore,
  name: string,
  options: ReadOptions = {},
): Promise<tf.Tensor> {
  return toTensor(await store.read(name, options), tensorPlace(store.name, name));
}

/** A host tensor as a tf.Tensor, owned by the caller; `where` is named in errors. */
export function toTensor({ dtype, shape, data }: HostTensor, where = 'toTensor'): tf.Tensor {
  if (dtype === 'BOOL') return tf.tensor(data as Uint8Array, [...shape], 'bool');
  if (data instanceof Float32Array) return tf.tensor(data, [...shape], 'float32');
  if (dtype === 'F64') return tf.tensor(Float32Array.from(data), [...shape], 'float32');
  const values = data instanceof Int32Array ? data : Int32Array.from(data);
  const wrong = values === data ? -1 : values.findIndex((value, i) => value !== data[i]);
  if (wrong >= 0) {
    throw new SpectraError('CHECKPOINT_MISMATCH', {
      message: `${data[wrong]} does not fit int32, the only integer dtype of tfjs.`,
      where,
      fix: 'Read it with `store.read`, which keeps doubles.',
    });
  }
  return tf.tensor(values, [...shape], 'int32');
}

/** How errors name a tensor. */
export function tensorPlace(store: string, name: string): string {
  return `${store}, tensor ${quote(name)}`;
}

export function missingTensor(name: string, store: string): SpectraError {
  return new SpectraError('CHECKPOINT_MISMATCH', {
    message: `there is no tensor ${quote(name)}.`,
    where: store,
  });
}

export function checkStoredShape(entry: TensorInfo, expected: readonly number[], store: string): void {
  const { shape } = entry;
  if (shape.length === expected.length && expected.every((size, i) => size === -1 || size === shape[i]))
    return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `its shape is [${shape.join(', ')}], needed is [${expected.join(', ')}].`,
    where: tensorPlace(store, entry.name),
    fix: 'Check that the configuration is the one the checkpoint was made with.',
  });
}

/**
 * Compares what a store holds with what a model needs, before anything is loaded: one `CHECKPOINT_MISMATCH`
 * that lists missing, unknown and misshapen tensors. `allowUnknown` lets the store hold more.
 */
export function checkTensors(
  store: TensorStore,
  expected: Iterable<readonly [name: string, shape: readonly number[]]>,
  options: { readonly allowUnknown?: boolean } = {},
): void {
  const wanted = new Map(expected);
  const missing: string[] = [];
  const misshapen: string[] = [];
  for (const [name, shape] of wanted) {
    if (!store.has(name)) {
      missing.push(name);
      continue;
    }
    const found = store.entry(name).shape;
    if (found.length !== shape.length || found.some((size, i) => size !== shape[i])) {
      misshapen.push(`${name} [${found.join(', ')}] instead of [${shape.join(', ')}]`);
    }
  }
  const unknown = options.allowUnknown ? [] : store.names().filter(name => !wanted.has(name));
  const parts = [
    ['missing', missing],
    ['unknown', unknown],
    ['of another shape', misshapen],
  ] as const;
  const found = parts.filter(([, list]) => list.length > 0);
  if (found.length === 0) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `${found.map(([kind, list]) => `${list.length} ${kind}: ${abbreviate(list)}`).join('; ')}.`,
    where: store.name,
    fix: 'Check that the configuration is the one the checkpoint was made with.',
  });
}

function abbreviate(list: readonly string[]): string {
  return list.slice(0, 5).join(', ') + (list.length > 5 ? ', …' : '');
}
