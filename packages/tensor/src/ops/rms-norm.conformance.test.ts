import { testBackend } from '@spectra/testing';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { beforeAll, test } from 'vitest';
import { checkOp } from './oracle.ts';
import { rmsNorm } from './rms-norm.ts';

beforeAll(testBackend);

/** w ⊙ x/√(mean x² + ε) */
function oracle(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const width = weight.length;
  const scales = Float64Array.from({ length: x.length / width }, (_, row) => {
    const squares = x.subarray(row * width, (row + 1) * width).reduce((sum, y) => sum + y * y, 0);
    return 1 / Math.sqrt(squares / width + epsilon);
  });
  return x.map((value, i) => weight[i % width]! * value * scales[Math.floor(i / width)]!);
}

test.each([
  [0, 3],
  [1, 1],
  [3, 4],
  [5, 7],
  [2, 33],
  [9, 64],
  // past a workgroup's columns, and past a block of rows
  [1, 200],
  [3, 131],
  [70, 5],
  [131, 1],
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
