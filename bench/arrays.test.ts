import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Arrays, largestDifference, readArrays, writeArrays } from './arrays.ts';

const arrays: Arrays = {
  x: { shape: [2, 2], data: Float32Array.of(1, -2.5, 3e-8, 4) },
  ids: { shape: [3], data: Int32Array.of(7, -1, 2 ** 30) },
};

it('arrays come back from a file as they were', () => {
  const folder = mkdtempSync(join(tmpdir(), 'spectra-bench-test-'));
  expect(readArrays(writeArrays(join(folder, 'a.bin'), arrays))).toEqual(arrays);
  rmSync(folder, { recursive: true });
});

it('differences are relative to the largest magnitude and name the array', () => {
  const x = { shape: [2, 2], data: Float32Array.of(1, -2.5, 0, 4.4) };
  const { at, by } = largestDifference({ ...arrays, x }, arrays);
  expect(at).toBe('x');
  expect(by).toBeCloseTo(0.1, 6);
});

it.each([
  ['a NaN', { ...arrays, x: { shape: [2, 2], data: Float32Array.of(1, Number.NaN, 3e-8, 4) } }],
  ['another shape', { ...arrays, x: { shape: [4], data: arrays.x!.data } }],
  ['a missing array', { ids: arrays.ids! }],
  ['an array too many', { ...arrays, y: arrays.ids! }],
])('%s is no agreement', (_, found) => {
  expect(largestDifference(found as Arrays, arrays).by).toBe(Number.POSITIVE_INFINITY);
});
