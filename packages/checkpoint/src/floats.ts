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

export function float8ToFloat32(kind: Float8, from: Uint8Array, to: Float32Array): void {
  let table = tables.get(kind);
  if (table === undefined) {
    table = Float32Array.from({ length: 256 }, (_, bits) => FLOAT8[kind](bits));
    tables.set(kind, table);
  }
  for (let i = 0; i < from.length; i++) to[i] = table[from[i]!]!;
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
