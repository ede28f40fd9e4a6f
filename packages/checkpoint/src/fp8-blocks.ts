/**
 * Weights kept as 8-bit floats with one scale per block of 128×128 (as published for DeepSeek-V3): value = code × scale.
 * Blocks at the lower and right edge are smaller; row r has the scales of row ⌊r / 128⌋.
 */
import { e4m3Bits, float8Table, float32ToFloat8 } from './floats.ts';

export type BlockSize = readonly [rows: number, columns: number];
export const FP8_BLOCK: BlockSize = [128, 128];

/** A matrix of codes, or one of a stack, with its scales. */
export interface BlockScales {
  readonly columns: number;
  readonly block: BlockSize;
  /** Row-major [⌈rows / block⌉, ⌈columns / block⌉]. */
  readonly scales: Float32Array;
}

/** The shape of the scales of a matrix [rows, columns], or of each of a stack of them. */
export function scaleShape(shape: readonly number[], block: BlockSize): number[] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return [...shape.slice(0, -2), Math.ceil(rows / block[0]), Math.ceil(columns / block[1])];
}

/**
 * Values of consecutive elements of a row-major matrix. `start` is the first one's place; `scales` begin with those of
 * block row `firstScaleRow`.
 */
export function dequantizeFp8(
  kind: 'F8_E4M3' | 'F8_E5M2',
  codes: Uint8Array,
  start: number,
  { columns, block, scales }: BlockScales,
  firstScaleRow: number,
  to: Float32Array,
): void {
  const table = float8Table(kind);
  const scaleColumns = Math.ceil(columns / block[1]);
  let row = Math.floor(start / columns);
  let column = start - row * columns;
  for (let i = 0; i < codes.length; ) {
    const rowEnd = Math.min(codes.length, i + columns - column);
    const scaleRow = (Math.floor(row / block[0]) - firstScaleRow) * scaleColumns;
    while (i < rowEnd) {
      const b = Math.floor(column / block[1]);
      const end = Math.min(rowEnd, i + (b + 1) * block[1] - column);
      const scale = scales[scaleRow + b]!;
      column += end - i;
      for (; i < end; i++) to[i] = table[codes[i]!]! * scale;
    }
    row++;
    column = 0;
  }
}

/** The largest E4M3 number. */
const LARGEST = 448;

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/**
 * The scales of a band of at most `block[0]` rows of a matrix, one per block. A block's scale takes its largest magnitude
 * to 448, except that a block whose values are code × scale of some scale keeps them all exactly, so that what was stored
 * this way before comes back to the same numbers. A block of zeros gets scale 1.
 */
export function fp8Scales(values: Float32Array, columns: number, block: BlockSize): Float32Array {
  const rows = values.length / columns;
  return Float32Array.from({ length: Math.ceil(columns / block[1]) }, (_, b) => {
    const from = b * block[1];
    const to = Math.min(columns, from + block[1]);
    let largest = 0;
    for (let r = 0; r < rows; r++) {
      for (let i = r * columns + from; i < r * columns + to; i++) {
        const magnitude = Math.abs(values[i]!);
        if (magnitude > largest && magnitude < Number.POSITIVE_INFINITY) largest = magnitude;
      }
    }
    return blockScale(values, columns, rows, from, to, largest);
  });
}

/** The E4M3 codes of such a band under its scales; infinities and NaN become NaN codes. */
export function fp8Codes(
  values: Float32Array,
  columns: number,
  block: BlockSize,
  scales: Float32Array,
): Uint8Array {
  const scaled = new Float32Array(values.length);
  for (let start = 0; start < values.length; start += columns) {
    for (let b = 0; b < scales.length; b++) {
      const scale = scales[b]!;
      const end = start + Math.min(columns, (b + 1) * block[1]);
      for (let i = start + b * block[1]; i < end; i++) scaled[i] = values[i]! / scale;
    }
  }
  const codes = new Uint8Array(values.length);
  float32ToFloat8('F8_E4M3', scaled, codes);
  return codes;
}

function blockScale(
  values: Float32Array,
  columns: number,
  rows: number,
  from: number,
  to: number,
  largest: number,
): number {
  if (largest === 0) return 1;
  const table = float8Table('F8_E4M3');
  const plain = Math.fround(largest / LARGEST);
  const exact = (scale: number): boolean => {
    for (let r = 0; r < rows; r++) {
      for (let i = r * columns + from; i < r * columns + to; i++) {
        float[0] = values[i]! / scale;
        if (Math.fround(table[e4m3Bits(bits[0]!)]! * scale) !== values[i]) return false;
      }
    }
    return true;
  };
  // the largest value may have had any code, and the quotient may be off by one in the last place
  for (let code = 0x7e; code > 0; code--) {
    const quotient = Math.fround(largest / table[code]!);
    for (const step of [0, 1, -1]) {
      const scale = neighbour(quotient, step);
      if (scale > 0 && scale < Number.POSITIVE_INFINITY && exact(scale)) return scale;
    }
  }
  // below the smallest float32 there is no scale: everything is as good as zero
  return plain > 0 ? plain : 1;
}

/** The float32 that lies `steps` places above a positive one. */
function neighbour(value: number, steps: number): number {
  float[0] = value;
  bits[0] = bits[0]! + steps;
  return float[0]!;
}
