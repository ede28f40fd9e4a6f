/** The element types of safetensors files, and how each looks in memory. */
import { SpectraError } from '@spectra/tensor';

/** What `read` gives for each: half, bfloat16 and 8-bit floats widen to float32; 64-bit integers to exact doubles. */
export interface HostArrays {
  readonly F64: Float64Array<ArrayBuffer>;
  readonly F32: Float32Array<ArrayBuffer>;
  readonly F16: Float32Array<ArrayBuffer>;
  readonly BF16: Float32Array<ArrayBuffer>;
  readonly F8_E4M3: Float32Array<ArrayBuffer>;
  readonly F8_E5M2: Float32Array<ArrayBuffer>;
  readonly F8_E8M0: Float32Array<ArrayBuffer>;
  readonly I64: Float64Array<ArrayBuffer>;
  readonly U64: Float64Array<ArrayBuffer>;
  readonly I32: Int32Array<ArrayBuffer>;
  readonly U32: Uint32Array<ArrayBuffer>;
  readonly I16: Int16Array<ArrayBuffer>;
  readonly U16: Uint16Array<ArrayBuffer>;
  readonly I8: Int8Array<ArrayBuffer>;
  readonly U8: Uint8Array<ArrayBuffer>;
  readonly BOOL: Uint8Array<ArrayBuffer>;
}
export type SafetensorsDtype = keyof HostArrays;
export type HostData = HostArrays[SafetensorsDtype];

/** What a tensor is, wherever it lies. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
}

/** A tensor in host memory. `data` is row-major. */
export interface HostTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: HostData;
}

interface DtypeFacts {
  /** Bytes of an element in the file. */
  readonly bytes: 1 | 2 | 4 | 8;
  readonly host: new (length: number) => HostData;
  /** Whether the host array holds the file's bytes unchanged. */
  readonly raw: boolean;
}

export const DTYPES: Readonly<Record<SafetensorsDtype, DtypeFacts>> = {
  F64: { bytes: 8, host: Float64Array, raw: true },
  F32: { bytes: 4, host: Float32Array, raw: true },
  F16: { bytes: 2, host: Float32Array, raw: false },
  BF16: { bytes: 2, host: Float32Array, raw: false },
  F8_E4M3: { bytes: 1, host: Float32Array, raw: false },
  F8_E5M2: { bytes: 1, host: Float32Array, raw: false },
  F8_E8M0: { bytes: 1, host: Float32Array, raw: false },
  I64: { bytes: 8, host: Float64Array, raw: false },
  U64: { bytes: 8, host: Float64Array, raw: false },
  I32: { bytes: 4, host: Int32Array, raw: true },
  U32: { bytes: 4, host: Uint32Array, raw: true },
  I16: { bytes: 2, host: Int16Array, raw: true },
  U16: { bytes: 2, host: Uint16Array, raw: true },
  I8: { bytes: 1, host: Int8Array, raw: true },
  U8: { bytes: 1, host: Uint8Array, raw: true },
  BOOL: { bytes: 1, host: Uint8Array, raw: true },
};

export function isDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === 'string' && Object.hasOwn(DTYPES, name);
}

/** Number of elements of a shape; 1 for a scalar's empty shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A new array for `length` elements; `VALUE` if the machine cannot hold it. */
export function allocate<D extends SafetensorsDtype>(dtype: D, length: number, where: string): HostArrays[D] {
  try {
    return new DTYPES[dtype].host(length) as HostArrays[D];
  } catch (cause) {
    throw new SpectraError('VALUE', {
      message: `${length} elements do not fit into one array in memory.`,
      where,
      fix: 'Read it in pieces (readPieces) or by slices.',
      cause,
    });
  }
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
