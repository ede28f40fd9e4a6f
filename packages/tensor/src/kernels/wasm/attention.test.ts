import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { causalAttention } from '../../ops/causal-attention.ts';
import { attend, attendGrad } from '../reference/attention.ts';

beforeAll(testBackend);

function largestDifference(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!);
}

test.each([
  { length: 133, keys: 133, window: 0, documents: false },
  { length: 133, keys: 133, window: 20, documents: true },
  { length: 70, keys: 200, window: 0, documents: true },
  { length: 61, keys: 301, window: 130, documents: false },
])(
  'several blocks of queries give what the whole matrix gives: %o',
  ({ length, keys, window, documents }) => {
    const [batch, heads, keyHeads, width] = [2, 4, 2, 12];
    const seeded = (shape: number[], seed: number): tf.Tensor =>
      tf.randomNormal(shape, 0, 1, 'float32', seed);
    const [q, dy] = [1, 2].map(seed => seeded([batch, length, heads, width], seed)) as [
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const [k, v] = [3, 4].map(seed => seeded([batch, keys, keyHeads, width], seed)) as [
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const ids = Array.from({ length: batch * keys }, (_, i) =>
      (i % keys) % 37 === 36 ? -1 : Math.floor((i % keys) / 50),
    );
    const keyDocuments = documents ? tf.tensor2d(ids, [batch, keys], 'int32') : undefined;
    const queryDocuments = keyDocuments && tf.slice(keyDocuments, [0, keys - length], [batch, length]);
    const attrs = { window, scale: 1 / Math.sqrt(width) };
    const given = { q, k, v, ...(keyDocuments === undefined ? {} : { keyDocuments, queryDocuments }) };

    const grads = tf.grads((...[a, b, c]: tf.Tensor[]) =>
      causalAttention(a as tf.Tensor4D, b as tf.Tensor4D, c as tf.Tensor4D, {
        window,
        keyDocuments,
        queryDocuments,
      }),
    )([q, k, v], dy);
    const out = causalAttention(q, k, v, { window, keyDocuments, queryDocuments });
    const [expected, normaliser] = attend(given, attrs) as [tf.Tensor, tf.Tensor];
    expect(largestDifference(out, expected)).toBeLessThan(3e-6);
    attendGrad({ ...given, out: expected, normaliser, dy }, attrs).forEach((exact, i) => {
      expect(largestDifference(grads[i]!, exact)).toBeLessThan(2e-5);
    });
  },
);
