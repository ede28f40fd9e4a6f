import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { readTensors } from './read-tensors.ts';

beforeAll(testBackend);

describe('readTensors', () => {
  it('reads every dtype, empty tensors, computed and given ones, and one tensor twice', async () => {
    const sum = tf.add(tf.tensor2d([[1, 2]]), 0.5);
    const tensors = {
      sum,
      again: sum,
      given: tf.tensor1d([7]),
      count: tf.add(tf.tensor1d([1, 2], 'int32'), tf.scalar(1, 'int32')),
      large: tf.tensor1d([2 ** 31 - 1, -(2 ** 31)], 'int32'),
      mask: tf.greater(tf.tensor1d([1, 3]), 2),
      none: tf.zeros([0, 3]),
      scalar: tf.neg(tf.scalar(3)),
    };
    const before = tf.memory().numTensors;
    const values = await readTensors(tensors);
    expect(values.sum).toEqual(Float32Array.of(1.5, 2.5));
    expect(values.again).toEqual(values.sum);
    expect(values.given).toEqual(Float32Array.of(7));
    expect(values.count).toEqual(Int32Array.of(2, 3));
    expect(values.large).toEqual(Int32Array.of(2 ** 31 - 1, -(2 ** 31)));
    expect(values.mask).toEqual(Uint8Array.of(0, 1));
    expect(values.none).toEqual(new Float32Array(0));
    expect(values.scalar).toEqual(Float32Array.of(-3));
    expect(tf.memory().numTensors).toBe(before);
    expect(await readTensors({})).toEqual({});
    tf.dispose(Object.values(tensors));
  });
});
