import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { copyFromHost, copyToHost } from './host-copy.ts';

beforeAll(testBackend);

it('carries values both ways through shared memory, whatever is written there later', async () => {
  const shared = new Float32Array(new SharedArrayBuffer(4 * 10));
  shared.set([7, 1, 2, 3, 4, 5, 6, 7, 7, 7]);
  const x = copyFromHost(shared.subarray(1, 7), [2, 3]);
  shared.fill(0);
  expect(x.shape).toEqual([2, 3]);
  expect(Array.from(await x.data())).toEqual([1, 2, 3, 4, 5, 6]);

  const doubled = x.mul(2);
  await copyToHost(doubled, shared.subarray(3));
  expect(Array.from(shared)).toEqual([0, 0, 0, 2, 4, 6, 8, 10, 12, 0]);
  await copyToHost(tf.scalar(9), shared);
  expect(shared[0]).toBe(9);
  expect(Array.from(await doubled.data())).toEqual([2, 4, 6, 8, 10, 12]);

  const empty = copyFromHost(new Float32Array(0), [0, 4]);
  await copyToHost(empty, shared);
  expect(shared[0]).toBe(9);
  tf.dispose([x, doubled, empty]);
});
