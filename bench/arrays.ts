/** Named arrays in one raw file (float32 or int32, little-endian, back to back): how programs hand each other data. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

export interface HostArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}
export type Arrays = Readonly<Record<string, HostArray>>;

export interface ArrayEntry {
  readonly name: string;
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
}

export interface ArrayFile {
  readonly path: string;
  readonly entries: readonly ArrayEntry[];
}

export function writeArrays(path: string, arrays: Arrays): ArrayFile {
  const file = openSync(path, 'w');
  let offset = 0;
  const entries = Object.entries(arrays).map(([name, { shape, data }]): ArrayEntry => {
    writeSync(file, data);
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    const entry: ArrayEntry = { name, dtype, shape, offset };
    offset += data.byteLength;
    return entry;
  });
  closeSync(file);
  return { path, entries };
}

export function readArrays({ path, entries }: ArrayFile): Arrays {
  const bytes = readFileSync(path);
  return Object.fromEntries(
    entries.map(({ name, dtype, shape, offset }) => {
      const length = shape.reduce((a, b) => a * b, 1);
      const buffer = bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * length);
      return [name, { shape, data: dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer) }];
    }),
  );
}

/**
 * The largest difference of two sets of arrays, each array relative to its own largest magnitude in `expected`; NaN
 * or another set of names or shapes is infinite.
 */
export function largestDifference(
  found: Arrays,
  expected: Arrays,
): { readonly at: string; readonly by: number } {
  let worst = { at: '', by: 0 };
  for (const name of new Set([...Object.keys(expected), ...Object.keys(found)])) {
    const by = difference(found[name], expected[name]);
    if (!(by <= worst.by)) worst = { at: name, by };
  }
  return worst;
}

function difference(found: HostArray | undefined, expected: HostArray | undefined): number {
  if (found === undefined || expected === undefined) return Number.POSITIVE_INFINITY;
  if (found.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY;
  let [magnitude, error] = [1e-30, 0];
  for (let i = 0; i < expected.data.length; i++) {
    magnitude = Math.max(magnitude, Math.abs(expected.data[i]!));
    const by = Math.abs(found.data[i]! - expected.data[i]!);
    if (!(by <= error)) error = Number.isNaN(by) ? Number.POSITIVE_INFINITY : by;
  }
  return error / magnitude;
}
