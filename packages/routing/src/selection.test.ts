import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { gateWeights, selectQuota, selectTopK } from './index.ts';

beforeAll(testBackend);

const scores = (): tf.Tensor2D => tf.tensor2d([0.1, 0.2, 0.3, 0.4], [1, 4]);

test('bad arguments are errors that say what to do', () => {
  expect(() => selectTopK(scores(), 5)).toThrow(expect.objectContaining({ code: 'VALUE' }));
  expect(() => selectTopK(scores(), 5)).toThrow('k = 5 is more than the 4 experts');
  expect(() => selectTopK(scores(), 0)).toThrow(expect.objectContaining({ code: 'VALUE' }));
  expect(() => selectTopK(scores(), 1.5)).toThrow(expect.objectContaining({ code: 'VALUE' }));
  expect(() => selectTopK(scores(), 2, { groups: 3 })).toThrow('divisible by groups = 3');
  expect(() => selectQuota(scores(), 3, 1, { groups: 2 })).toThrow('divisible by groups = 2');
  expect(() => selectQuota(scores(), 2, 0)).toThrow('alpha must be a positive number');
  expect(() => selectTopK(scores(), 2, { mask: tf.ones([2]) })).toThrow(
    expect.objectContaining({ code: 'SHAPE' }),
  );
  expect(() => selectTopK(tf.ones([1, 4], 'int32'), 2)).toThrow(expect.objectContaining({ code: 'SHAPE' }));
  expect(() => gateWeights(scores(), tf.zeros([1, 2]))).toThrow(expect.objectContaining({ code: 'SHAPE' }));
  expect(() => gateWeights(scores(), tf.zeros([1, 2], 'int32'), { log: true, normalise: false })).toThrow(
    'normalise',
  );
});

test('a score that is no number is named', () => {
  const bad = tf.tensor2d([0.1, 0.2, Number.NaN, 0.4], [2, 2]);
  expect(() => selectQuota(bad, 1, 1)).toThrow(expect.objectContaining({ code: 'NOT_FINITE' }));
  expect(() => selectTopK(bad, 1)).toThrow('the score of token 1 for expert 0 is NaN');
  const infinite = tf.tensor2d([Number.POSITIVE_INFINITY, 0.2], [1, 2]);
  expect(() => selectTopK(infinite, 1)).toThrow(expect.objectContaining({ code: 'NOT_FINITE' }));
});

test('gates of a group sum to 1', async () => {
  const P = tf.tensor2d([0.6, 0.4, 0.1, 0.9], [1, 4]);
  const indices = selectTopK(P, 4, { groups: 2 });
  expect([...(await indices.data())]).toEqual([3, 0, 1, 2]);
  const weights = await gateWeights(P, indices, { groups: 2 }).data();
  for (const [j, w] of [0.9, 0.6, 0.4, 0.1].entries()) expect(weights[j]).toBeCloseTo(w, 6);
});
