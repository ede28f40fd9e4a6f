import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { crossEntropy } from './cross-entropy.ts';
import { checkOp } from './oracle.ts';

beforeAll(testBackend);

/** w·(ln Σ e^x − x_t), 0 without a target */
function oracle(x: Float64Array, targets: number[], weights: number[], width: number): Float64Array {
  return Float64Array.from(targets, (target, row) => {
    if (target < 0 || target >= width || weights[row] === 0) return 0;
    const logits = x.subarray(row * width, (row + 1) * width);
    const peak = Math.max(...logits);
    const total = logits.reduce((sum, y) => sum + Math.exp(y - peak), 0);
    return weights[row]! * (peak + Math.log(total) - logits[target]!);
  });
}

test.each([
  [0, 3],
  [1, 1],
  [4, 5],
  [6, 16],
  [3, 37],
  // past a workgroup, and a row more than a block of them
  [1, 300],
  [2, 131],
  [67, 3],
])('cross-entropy of %i rows of %i logits', async (rows, width) => {
  const targets = Array.from({ length: rows }, (_, i) => ((i * 7) % (width + 1)) - (i === 2 ? 100 : 0));
  const weights = Array.from({ length: rows }, (_, i) => (i === 1 ? 0 : 0.5 + i));
  const [ids, scale] = [tf.tensor1d(targets, 'int32'), tf.tensor1d(weights)];
  await checkOp({
    shapes: { x: [rows, width] },
    op: ({ x }) => crossEntropy(x as tf.Tensor2D, ids, scale),
    oracle: ({ x }) => oracle(x!, targets, weights, width),
    range: 4,
  });
  tf.dispose([ids, scale]);
});

test('rows that do not count, whatever they hold, have neither loss nor gradient', async () => {
  const nothing = [Number.NaN, Number.POSITIVE_INFINITY, 1, Number.NaN, 2];
  const logits = tf.tensor2d([nothing, [1, 2, 3, 4, 5], nothing]);
  const [targets, weights] = [tf.tensor1d([3, -1, -1], 'int32'), tf.tensor1d([0, 2, 1])];
  const loss = crossEntropy(logits, targets, weights);
  await expectClose(loss, [0, 0, 0], { tolerance: 0 });
  const gradient = tf.grad((x: tf.Tensor) => crossEntropy(x as tf.Tensor2D, targets, weights))(logits);
  await expectClose(gradient, new Float64Array(15), { tolerance: 0 });
  tf.dispose([logits, targets, weights, loss, gradient]);
});

test('large logits neither overflow nor vanish', async () => {
  const logits = tf.tensor2d([
    [1000, 990, -1000],
    [-30000, -30010, -30020],
  ]);
  const [targets, weights] = [tf.tensor1d([1, 0], 'int32'), tf.tensor1d([1, 1])];
  const loss = crossEntropy(logits, targets, weights);
  const exact = [10 + Math.log1p(Math.exp(-10)), Math.log1p(Math.exp(-10) + Math.exp(-20))];
  // a logit of 1000 has steps of 6e-5, one of 30000 of 2e-3
  await expectClose(loss, exact, { tolerance: 1e-3 });
  tf.dispose([logits, targets, weights, loss]);
});

test('float targets are refused', () => {
  const logits = tf.zeros([2, 3]) as tf.Tensor2D;
  const ids = tf.zeros([2]) as tf.Tensor1D;
  expect(() => crossEntropy(logits, ids, ids)).toThrow(/int32/);
  tf.dispose([logits, ids]);
});
