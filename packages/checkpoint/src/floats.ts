/**
 * Narrow floats: IEEE half (F16), bfloat16 (BF16) and the 8-bit formats of the OCP specification. Rounding is to
 * nearest, ties to even, as hardware and PyTorch do.
 */

const floatBits = new Float32Array(1);
const intBits = new Uint32Array(floatBits.buffer);

/** BF16 is the upper half of a float32. */
export function bfloat16ToFloat32(from: Uint16Array, to: Float32Array): void {
  const bits = new Uint32Array(to.buffer, to.byteOffset, to.length);
  for (let i = 0; i < from.length; i++) bits[i] = from[i]! << 16;
}

export function float32ToBfloat16(from: Float32Array, to: Uint16Array): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i]!;
    const nan = (x & 0x7fffffff) > 0x7f800000;
    // half of the last kept place, less one if that place is even: ties go to even; a NaN stays one
    to[i] = nan ? (x >>> 16) | 0x40 : (x + 0x7fff + ((x >>> 16) & 1)) >>> 16;
  }
}

/** Every half float as float32, made on first use (256 kB): reading is one look-up per element. */
let halves: Float32Array | undefined;

export function float16ToFloat32(from: Uint16Array, to: Float32Array): void {
  halves ??= Float32Array.from({ length: 0x10000 }, (_, bits) => decodeSmall(bits, 5, 10, true));
  for (let i = 0; i < from.length; i++) to[i] = halves[from[i]!]!;
}

export function float32ToFloat16(from: Float32Array, to: Uint16Array): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  for (let i = 0; i < bits.length; i++) to[i] = halfBits(bits[i]!);
}

function halfBits(x: number): number {
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (magnitude >= 0x38800000) {
    // normal: re-bias the exponent, round the 13 dropped bits to even
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // subnormal: adding 0.5 puts the last place of a float32 on the last place of a subnormal half
  intBits[0] = magnitude;
  floatBits[0] = floatBits[0]! + 0.5;
  return sign | (intBits[0]! - 0x3f000000);
}

export type Float8 = 'F8_E4M3' | 'F8_E5M2' | 'F8_E8M0';

const FLOAT8: Readonly<Record<Float8, (bits: number) => number>> = {
  // no infinities: only 0x7f and 0xff are NaN
  F8_E4M3: bits => ((bits & 0x7f) === 0x7f ? Number.NaN : decodeSmall(bits, 4, 3, false)),
  F8_E5M2: bits => decodeSmall(bits, 5, 2, true),
  // a bare exponent, for block scales
  F8_E8M0: bits => (bits === 0xff ? Number.NaN : 2 ** (bits - 127)),
};
const tables = new Map<Float8, Float32Array>();

/** The value of each of the 256 codes. */
export function float8Table(kind: Float8): Float32Array {
  let table = tables.get(kind);
  if (table === undefined) {
    table = Float32Array.from({ length: 256 }, (_, bits) => FLOAT8[kind](bits));
    tables.set(kind, table);
  }
  return table;
}

export function float8ToFloat32(kind: Float8, from: Uint8Array, to: Float32Array): void {
  const table = float8Table(kind);
  for (let i = 0; i < from.length; i++) to[i] = table[from[i]!]!;
}

/**
 * The 8-bit codes nearest to `from`, ties to even. Beyond the largest number (rounded) E4M3, which has no infinity,
 * gives NaN and E5M2 infinity, as PyTorch's conversion does: scale first (`fp8Scales`).
 */
export function float32ToFloat8(kind: 'F8_E4M3' | 'F8_E5M2', from: Float32Array, to: Uint8Array): void {
  const bits = new Uint32Array(from.buffer, from.byteOffset, from.length);
  // a loop for each: a call through a variable is not inlined
  if (kind === 'F8_E4M3') for (let i = 0; i < bits.length; i++) to[i] = e4m3Bits(bits[i]!);
  else for (let i = 0; i < bits.length; i++) to[i] = e5m2Bits(bits[i]!);
}

/** The E4M3 code of a float32's bits. */
export function e4m3Bits(x: number): number {
  const sign = (x >>> 24) & 0x80;
  const magnitude = x & 0x7fffffff;
  // 464 lies between 448 and what would be 480, the code of NaN; as a tie it goes to 448
  if (magnitude > 0x43e80000) return sign | 0x7f;
  // normal from 2^-6 on: 20 dropped bits round to even
  if (magnitude >= 0x3c800000)
    return sign | ((magnitude - 0x3c000000 + 0x7ffff + ((magnitude >>> 20) & 1)) >>> 20);
  // subnormal: beside 2^14 the last place of a float32 is that of a subnormal, 2^-9
  intBits[0] = magnitude;
  floatBits[0] = floatBits[0]! + 2 ** 14;
  return sign | (intBits[0]! - 0x46800000);
}

function e5m2Bits(x: number): number {
  const sign = (x >>> 24) & 0x80;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e; // NaN
  if (magnitude >= 0x47700000) return sign | 0x7c; // 61440 and above round to infinity
  if (magnitude >= 0x38800000)
    return sign | ((magnitude - 0x38000000 + 0xfffff + ((magnitude >>> 21) & 1)) >>> 21);
  intBits[0] = magnitude;
  floatBits[0] = floatBits[0]! + 2 ** 7;
  return sign | (intBits[0]! - 0x43000000);
}

/** A sign bit, `exponentBits` and `mantissaBits`; with `ieee`, the top exponent holds infinity and NaN. */
function decodeSmall(bits: number, exponentBits: number, mantissaBits: number, ieee: boolean): number {
  const sign = bits >>> (exponentBits + mantissaBits) === 0 ? 1 : -1;
  const top = (1 << exponentBits) - 1;
  const exponent = (bits >>> mantissaBits) & top;
  const fraction = (bits & ((1 << mantissaBits) - 1)) / (1 << mantissaBits);
  const bias = (1 << (exponentBits - 1)) - 1;
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias);
  if (ieee && exponent === top) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction) * 2 ** (exponent - bias);
}
