/** File bytes ↔ host arrays, element type by element type. */
import { SpectraError } from '@spectra/tensor';
import { bytesOf, DTYPES, type HostData, type SafetensorsDtype } from './dtypes.ts';
import {
  bfloat16ToFloat32,
  float8ToFloat32,
  float16ToFloat32,
  float32ToBfloat16,
  float32ToFloat8,
  float32ToFloat16,
} from './floats.ts';

/** Widens `bytes` (whole elements, aligned to 8) of a non-raw dtype into `to`. */
export function widen(dtype: SafetensorsDtype, bytes: Uint8Array, to: HostData, where: string): void {
  switch (dtype) {
    case 'BF16':
      bfloat16ToFloat32(view(Uint16Array, bytes), to as Float32Array);
      break;
    case 'F16':
      float16ToFloat32(view(Uint16Array, bytes), to as Float32Array);
      break;
    case 'F8_E4M3':
    case 'F8_E5M2':
    case 'F8_E8M0':
      float8ToFloat32(dtype, bytes, to as Float32Array);
      break;
    case 'I64':
      widenIntegers(view(BigInt64Array, bytes), to as Float64Array, where);
      break;
    case 'U64':
      widenIntegers(view(BigUint64Array, bytes), to as Float64Array, where);
      break;
    default:
      bytesOf(to).set(bytes);
  }
}

function view<T>(
  kind: { new (buffer: ArrayBufferLike, offset: number, length: number): T; BYTES_PER_ELEMENT: number },
  bytes: Uint8Array,
): T {
  return new kind(bytes.buffer, bytes.byteOffset, bytes.byteLength / kind.BYTES_PER_ELEMENT);
}

function widenIntegers(from: BigInt64Array | BigUint64Array, to: Float64Array, where: string): void {
  for (let i = 0; i < from.length; i++) {
    const value = Number(from[i]!);
    if (!Number.isSafeInteger(value)) {
      throw new SpectraError('CHECKPOINT_MISMATCH', {
        message: `the integer ${from[i]} is beyond ±(2^53 − 1) and cannot be read exactly.`,
        where,
      });
    }
    to[i] = value;
  }
}

/** Arrays that a tensor of each dtype may be written from. */
export type WritableData =
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | readonly number[];

export type WritableDtype = Exclude<SafetensorsDtype, 'F8_E8M0'>;

/**
 * The file bytes of elements [from, to) of `data`. Floats narrow by rounding to nearest even; a number that an
 * integer dtype cannot hold is a `VALUE` error.
 */
export function narrow(
  dtype: WritableDtype,
  data: WritableData,
  from: number,
  to: number,
  where: string,
): Uint8Array {
  const part = Array.isArray(data) ? data.slice(from, to) : (data as Float32Array).subarray(from, to);
  const facts = DTYPES[dtype];
  if (facts.raw && part.constructor === facts.host && dtype !== 'BOOL') return bytesOf(part as Float32Array);
  switch (dtype) {
    case 'F64':
      return bytesOf(Float64Array.from(part));
    case 'F32':
      return bytesOf(Float32Array.from(part));
    case 'F16':
    case 'BF16': {
      const source = part instanceof Float32Array ? part : Float32Array.from(part);
      const bits = new Uint16Array(source.length);
      if (dtype === 'F16') float32ToFloat16(source, bits);
      else float32ToBfloat16(source, bits);
      return bytesOf(bits);
    }
    case 'F8_E4M3':
    case 'F8_E5M2': {
      const codes = new Uint8Array(part.length);
      float32ToFloat8(dtype, part instanceof Float32Array ? part : Float32Array.from(part), codes);
      return codes;
    }
    default:
      return bytesOf(integers(dtype, part, where));
  }
}

type IntegerDtype = 'I64' | 'U64' | 'I32' | 'U32' | 'I16' | 'U16' | 'I8' | 'U8' | 'BOOL';

const LIMITS: Readonly<Record<IntegerDtype, readonly [number, number]>> = {
  I64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  U64: [0, Number.MAX_SAFE_INTEGER],
  I32: [-(2 ** 31), 2 ** 31 - 1],
  U32: [0, 2 ** 32 - 1],
  I16: [-(2 ** 15), 2 ** 15 - 1],
  U16: [0, 2 ** 16 - 1],
  I8: [-128, 127],
  U8: [0, 255],
  BOOL: [0, 1],
};

function integers(dtype: IntegerDtype, part: ArrayLike<number>, where: string): ArrayBufferView {
  const [low, high] = LIMITS[dtype];
  for (let i = 0; i < part.length; i++) {
    const value = part[i]!;
    if (!Number.isInteger(value) || value < low || value > high) {
      throw new SpectraError('VALUE', {
        message: `${value} cannot be stored as ${dtype} (integers from ${low} to ${high}).`,
        where,
      });
    }
  }
  if (dtype === 'I64') return BigInt64Array.from(Array.from(part, BigInt));
  if (dtype === 'U64') return BigUint64Array.from(Array.from(part, BigInt));
  const to = new DTYPES[dtype].host(part.length);
  to.set(part);
  return to;
}
