/** Writes a safetensors file tensor by tensor: one tensor and one conversion buffer are in memory at a time. */
import { checkValue, SpectraError } from '@spectra/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { narrow, type WritableData, type WritableDtype } from './convert.ts';
import { DTYPES, sizeOf } from './dtypes.ts';

/** A tensor to be written. `data` is called once, when its turn comes. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  readonly data: () => WritableData | Promise<WritableData>;
}

/** Where bytes go: a file (`@spectra/checkpoint/node`) or memory. `write` must have used the bytes when it resolves. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

export interface WriteOptions {
  /** Strings for `__metadata__`, e.g. `{format: 'pt'}`, which Hugging Face's loader asks for. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const CHUNK_ELEMENTS = 1 << 20;

/** A spec from a tensor, which stays the caller's and must live until the file is written. */
export function tensorSpec(name: string, tensor: tf.Tensor, dtype?: WritableDtype): TensorSpec {
  const natural = tensor.dtype === 'int32' ? 'I32' : tensor.dtype === 'bool' ? 'BOOL' : 'F32';
  return {
    name,
    dtype: dtype ?? natural,
    shape: tensor.shape,
    data: () => tensor.data() as Promise<Float32Array | Int32Array | Uint8Array>,
  };
}

export function specBytes(spec: TensorSpec): number {
  return sizeOf(spec.shape) * DTYPES[spec.dtype].bytes;
}

/**
 * Writes header and tensors. Tensors with wider elements go first (each stays aligned to its element), otherwise in
 * the given order. Errors: `VALUE` for a repeated or reserved name or numbers that do not fit, `SHAPE` when data and
 * shape disagree.
 */
export async function writeSafetensors(
  sink: ByteSink,
  specs: readonly TensorSpec[],
  options: WriteOptions = {},
): Promise<void> {
  const ordered = [...specs].sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  await sink.write(encodeHeader(ordered, options.metadata));
  for (const spec of ordered) await writeData(sink, spec);
}

/** The whole file in memory, for browsers and small tensors. */
export async function safetensorsBytes(
  specs: readonly TensorSpec[],
  options: WriteOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  const sink: ByteSink = {
    async write(bytes) {
      parts.push(bytes.slice());
    },
  };
  await writeSafetensors(sink, specs, options);
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.byteLength;
  }
  return all;
}

function encodeHeader(specs: readonly TensorSpec[], metadata: WriteOptions['metadata']): Uint8Array {
  const header = new Map<string, unknown>();
  if (metadata !== undefined) header.set('__metadata__', metadata);
  let position = 0;
  for (const spec of specs) {
    const { name, dtype, shape } = spec;
    checkValue(name !== '__metadata__', 'a tensor cannot be named "__metadata__".', 'writeSafetensors');
    checkValue(!header.has(name), `two tensors are named "${name}".`, 'writeSafetensors');
    const end = position + specBytes(spec);
    header.set(name, { dtype, shape, data_offsets: [position, end] });
    position = end;
  }
  // entry by entry: an object would move integer-like names to the front and lose "__proto__"
  const fields = [...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

async function writeData(sink: ByteSink, spec: TensorSpec): Promise<void> {
  const data = await spec.data();
  const size = sizeOf(spec.shape);
  if (data.length !== size) {
    throw new SpectraError('SHAPE', {
      message: `shape [${spec.shape.join(', ')}] needs ${size} elements, the data has ${data.length}.`,
      where: `tensor "${spec.name}"`,
    });
  }
  for (let done = 0; done < size; done += CHUNK_ELEMENTS) {
    const end = Math.min(size, done + CHUNK_ELEMENTS);
    await sink.write(narrow(spec.dtype, data, done, end, `tensor "${spec.name}"`));
  }
}
