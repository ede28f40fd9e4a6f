import { testBackend } from '@spectra/testing';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { beforeAll, test } from 'vitest';
import { checkOp } from './oracle.ts';
import { rmsNorm } from './rms-norm.ts';

beforeAll(testBackend);

/** w ⊙ x/√(mean x² + ε) */
function oracle(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const width = weight.length;
  return x.map((value, i) => {
    const row = x.subarray(i - (i % width), i - (i % width) + width);
    const mean = row.reduce((sum, y) => sum + y * y, 0) / width;
    return (weight[i % width]! * value) / Math.sqrt(mean + epsilon);
  });
}

test.each([
  [1, 1],
  [3, 4],
  [5, 7],
  [2, 33],
  [9, 64],
])('rmsNorm of %i rows of %i', async (rows, width) => {
  for (const epsilon of [1e-5, 0.1]) {
    await checkOp({
      shapes: { x: [rows, width], weight: [width] },
      op: ({ x, weight }) => rmsNorm(x as Tensor2D, weight as Tensor1D, epsilon),
      oracle: ({ x, weight }) => oracle(x!, weight!, epsilon),
      range: 2,
      seed: 3,
    });
  }
});
