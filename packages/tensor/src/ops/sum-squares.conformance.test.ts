import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { pseudoRandom } from './oracle.ts';
import { sumSquares } from './sum-squares.ts';

beforeAll(testBackend);

/** From less than a vector to more than all workgroups of a tensor take in one turn. */
const SIZES = [[], [1], [3], [16], [17, 5], [2048], [3, 1500], [70_001]];

test.each([
  ['many sizes', SIZES],
  ['many sizes and none', [...SIZES, [0]]],
  ['one tensor', [[5]]],
  ['more tensors than a workgroup', Array.from({ length: 67 }, (_, i) => [i + 1])],
])('%s in one call', async (_, shapes) => {
  const arrays = shapes.map((shape, i) => pseudoRandom(tf.util.sizeFromShape(shape), i, 3));
  const tensors = arrays.map((values, i) => tf.tensor(Float32Array.from(values), shapes[i]));
  const before = tf.memory().numTensors;
  const sums = sumSquares(tensors);
  const exact = arrays.map(values => values.reduce((sum, x) => sum + x * x, 0));
  await expectClose(sums, exact, { tolerance: 1e-6 * Math.max(...exact) });
  sums.dispose();
  expect(tf.memory().numTensors).toBe(before);
  tf.dispose(tensors);
});

test('says where a number is not finite', async () => {
  const tensors = [tf.tensor1d([1, 2]), tf.tensor1d([Number.NaN, 0]), tf.tensor1d([3e38, 3e38])];
  const sums = sumSquares(tensors);
  expect([...(await sums.data())].map(Number.isFinite)).toEqual([true, false, false]);
  tf.dispose([sums, ...tensors]);
});
