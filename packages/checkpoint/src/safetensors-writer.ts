/** Writes a safetensors file tensor by tensor: one tensor, or one piece of a streamed one, is in memory at a time. */
import { checkValue, SpectraError } from '@spectra/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import { narrow, type WritableData, type WritableDtype } from './convert.ts';
import { DTYPES, type SafetensorsDtype, sizeOf, type TensorInfo } from './dtypes.ts';
import { quote } from './header.ts';

/** A tensor to be written. `data` is called once, when its turn comes. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  readonly data: () => WritableData | Promise<WritableData>;
}

/** A tensor whose file bytes come piece by piece; each is used up before the next is asked for. */
export interface StreamedSpec extends TensorInfo {
  readonly bytes: () => AsyncIterable<Uint8Array>;
}

export type WritableSpec = TensorSpec | StreamedSpec;

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

/** The bytes of a tensor in a file. */
export function specBytes(spec: {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}): number {
  return sizeOf(spec.shape) * DTYPES[spec.dtype].bytes;
}

/**
 * Writes header and tensors. Tensors with wider elements go first (each stays aligned to its element), otherwise in
 * the given order. Errors: `VALUE` for a repeated or reserved name or numbers that do not fit, `SHAPE` when data and
 * shape disagree.
 */
export async function writeSafetensors(
  sink: ByteSink,
  specs: readonly WritableSpec[],
  options: WriteOptions = {},
): Promise<void> {
  const ordered = [...specs].sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  await sink.write(encodeHeader(ordered, options.metadata));
  for (const spec of ordered) await writeData(sink, spec);
}

/** The whole file in memory, for browsers and small tensors. */
export async function safetensorsBytes(
  specs: readonly WritableSpec[],
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

/** The header of a file whose tensors lie in the given order. */
export function encodeHeader(specs: readonly TensorInfo[], metadata?: WriteOptions['metadata']): Uint8Array {
  const fields: string[] = [];
  const names = new Set<string>();
  // field by field: an object would move integer-like names to the front and lose "__proto__"
  if (metadata !== undefined) fields.push(`"__metadata__":${JSON.stringify(metadata)}`);
  let position = 0;
  for (const spec of specs) {
    const { name, dtype, shape } = spec;
    checkValue(name !== '__metadata__', 'a tensor cannot be named "__metadata__".', 'writeSafetensors');
    checkValue(!names.has(name), `two tensors are named ${quote(name)}.`, 'writeSafetensors');
    names.add(name);
    const end = position + specBytes(spec);
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [position, end] })}`);
    position = end;
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

async function writeData(sink: ByteSink, spec: WritableSpec): Promise<void> {
  const where = `tensor ${quote(spec.name)}`;
  const size = sizeOf(spec.shape);
  if ('bytes' in spec) {
    let written = 0;
    for await (const bytes of spec.bytes()) {
      written += bytes.byteLength;
      await sink.write(bytes);
    }
    const wanted = specBytes(spec);
    if (written !== wanted) throw wrongSize(spec, `${wanted} bytes, ${written} came`, where);
    return;
  }
  const data = await spec.data();
  if (data.length !== size) throw wrongSize(spec, `${size} elements, the data has ${data.length}`, where);
  for (let done = 0; done < size; done += CHUNK_ELEMENTS) {
    const end = Math.min(size, done + CHUNK_ELEMENTS);
    await sink.write(narrow(spec.dtype, data, done, end, where));
  }
}

function wrongSize({ shape }: TensorInfo, needs: string, where: string): SpectraError {
  return new SpectraError('SHAPE', { message: `shape [${shape.join(', ')}] needs ${needs}.`, where });
}
