/**
 * MXFP4 of the OCP microscaling specification, as GPT-OSS keeps its experts: 32 consecutive inputs of an output share a
 * power of two (a biased exponent, E8M0), each has 4 bits (E2M1). On disk [E, out, in/32, 16] bytes, the even input in the
 * low nibble; as a tensor [E, in, out].
 */

/** Inputs that share an exponent. */
export const MXFP4_GROUP = 32;
const GROUP_BYTES = 16;
/** The exponent byte of NaN. */
export const MXFP4_NAN = 0xff;

const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6] as const;

/** Every nibble under every exponent, `exponent << 4 | nibble` (16 kB): decoding is one look-up per element. */
const VALUES = Float32Array.from({ length: 4096 }, (_, i) => {
  const exponent = i >> 4;
  if (exponent === MXFP4_NAN) return Number.NaN;
  return (i & 8 ? -1 : 1) * MAGNITUDES[i & 7]! * 2 ** (exponent - 127);
});

/** Outputs handled together: their values lie side by side in the tensor, so whole cache lines of it are used. */
const TILE = 64;

/**
 * Decodes the blocks of `rows` outputs × `groups` groups, transposed. `to[i·stride + r]` receives input `first + i` of
 * output r, for 0 ≤ i < count; inputs count from the first group's first.
 */
export function decodeMxfp4(
  blocks: Uint8Array,
  exponents: Uint8Array,
  rows: number,
  groups: number,
  first: number,
  count: number,
  to: Float32Array,
  stride: number,
): void {
  const lastGroup = Math.min(groups, Math.ceil((first + count) / MXFP4_GROUP));
  for (let tile = 0; tile < rows; tile += TILE) {
    const end = Math.min(rows, tile + TILE);
    for (let g = Math.floor(first / MXFP4_GROUP); g < lastGroup; g++) {
      for (let b = 0; b < GROUP_BYTES; b++) {
        const even = g * MXFP4_GROUP + 2 * b - first;
        const [low, high] = [even >= 0 && even < count, even + 1 >= 0 && even + 1 < count];
        if (low && high) {
          const [upper, lower] = [even * stride, (even + 1) * stride];
          for (let r = tile, group = tile * groups + g; r < end; r++, group += groups) {
            const exponent = exponents[group]! << 4;
            const byte = blocks[group * GROUP_BYTES + b]!;
            to[upper + r] = VALUES[exponent | (byte & 15)]!;
            to[lower + r] = VALUES[exponent | (byte >> 4)]!;
          }
        } else if (low || high) {
          // a slice may begin or end between the two
          const row = (low ? even : even + 1) * stride;
          for (let r = tile, group = tile * groups + g; r < end; r++, group += groups) {
            const byte = blocks[group * GROUP_BYTES + b]!;
            to[row + r] = VALUES[(exponents[group]! << 4) | (low ? byte & 15 : byte >> 4)]!;
          }
        }
      }
    }
  }
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/**
 * Encodes one matrix [inputs, outputs]; inputs are a multiple of 32. The exponent takes a group's largest magnitude into
 * [4, 8), values round to nearest even and saturate at 6: what MXFP4 held before comes back to the same numbers. A group
 * with a value that is not finite gets the exponent of NaN; the result says whether there was one.
 */
export function encodeMxfp4(
  values: Float32Array,
  inputs: number,
  outputs: number,
  blocks: Uint8Array,
  exponents: Uint8Array,
): boolean {
  const groups = inputs / MXFP4_GROUP;
  let finite = true;
  // a group's values lie far apart: those of a tile are gathered first
  const gathered = new Float32Array(TILE * MXFP4_GROUP);
  for (let tile = 0; tile < outputs; tile += TILE) {
    const end = Math.min(outputs, tile + TILE);
    for (let g = 0; g < groups; g++) {
      for (let i = 0; i < MXFP4_GROUP; i++) {
        const row = (g * MXFP4_GROUP + i) * outputs;
        for (let r = tile; r < end; r++) gathered[(r - tile) * MXFP4_GROUP + i] = values[row + r]!;
      }
      for (let r = tile; r < end; r++) {
        const group = r * groups + g;
        const start = (r - tile) * MXFP4_GROUP;
        exponents[group] = encodeGroup(gathered, start, blocks, group * GROUP_BYTES);
        if (exponents[group] === MXFP4_NAN) finite = false;
      }
    }
  }
  return finite;
}

/** Writes the 16 bytes of a group and returns its exponent. */
function encodeGroup(values: Float32Array, start: number, blocks: Uint8Array, at: number): number {
  let largest = 0;
  for (let i = start; i < start + MXFP4_GROUP; i++) {
    const magnitude = Math.abs(values[i]!);
    if (magnitude > largest || Number.isNaN(magnitude)) largest = magnitude; // and NaN stays
  }
  const exponent = groupExponent(largest);
  const scale = 2 ** (127 - exponent);
  for (let b = 0; b < GROUP_BYTES; b++) {
    const i = start + 2 * b;
    blocks[at + b] = nibble(values[i]!, scale) | (nibble(values[i + 1]!, scale) << 4);
  }
  return exponent;
}

/** ⌊log2 largest⌋ − 2, biased by 127. */
function groupExponent(largest: number): number {
  float[0] = largest;
  const exponent = bits[0]! >>> 23;
  return exponent === 0xff ? MXFP4_NAN : Math.max(0, exponent - 2);
}

/** The code nearest to value · scale; the sign of a zero is kept. */
function nibble(value: number, scale: number): number {
  const x = Math.abs(value) * scale;
  const sign = value < 0 || Object.is(value, -0) ? 8 : 0;
  if (x < 1.75) return sign | (x <= 0.25 ? 0 : x < 0.75 ? 1 : x <= 1.25 ? 2 : 3);
  return sign | (x <= 2.5 ? 4 : x < 3.5 ? 5 : x <= 5 ? 6 : 7);
}
