/** The kernels of every backend against the plain rules, on instances with ties, groups, padding and closed experts. */

import { Rng } from '@spectra/tensor';
import { noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { expertLoad, gateWeights, selectQuota, selectTopK } from './index.ts';
import { gateBackward, gateForward } from './kernels/reference/gate-weights.ts';
import { quota } from './kernels/reference/quota.ts';
import { topK } from './kernels/reference/top-k.ts';
import { capacity, liveRows } from './selection.ts';
import { KINDS, randomScores } from './selection-oracle.ts';

beforeAll(testBackend);

const SHAPES = [
  { experts: 6, k: 2, groups: 1 },
  { experts: 8, k: 4, groups: 2 },
  { experts: 40, k: 3, groups: 1 },
  { experts: 1, k: 1, groups: 1 },
  { experts: 5, k: 5, groups: 1 },
  { experts: 6, k: 6, groups: 3 },
  { experts: 3, k: 3, groups: 3 },
  { experts: 65, k: 7, groups: 1 },
];

describe.each(SHAPES)('E = $experts, k = $k, groups $groups', ({ experts, k, groups }) => {
  test('selection equals the plain rule', async () => {
    const rng = new Rng(11).split('select', experts);
    for (let i = 0; i < 4 * KINDS; i++) {
      const tokens = i % 5 === 2 ? 1 : 1 + rng.integer(i % 4 === 0 ? 300 : 40);
      const alpha = [1, 1.25, 0.6][i % 3]!;
      const padded = i % 2 === 1;
      const share = i % 8 === 7 ? 1 : 0.3; // some batches are padding only
      const mask = Array.from({ length: tokens }, () => (padded && rng.uniform() < share ? 0 : 1));
      const drawn = randomScores(() => rng.uniform(), tokens, experts, i);
      const values = drawn.map((row, t) => row.map(x => (mask[t] === 0 ? Number.NaN : x)));
      const rows = liveRows(mask, tokens);
      const sizes = { tokens, experts, k, groups };
      const flat = Float32Array.from(values.flat());
      await noLeaks(async () => {
        const scores = tf.tensor2d(flat, [tokens, experts]);
        const maskTensor = tf.tensor(mask, [1, tokens], i % 4 === 1 ? 'bool' : 'float32');
        const options = padded ? { groups, mask: maskTensor } : { groups };
        const best = selectTopK(scores, k, options);
        expect(await best.data(), `top-k of instance ${i}`).toEqual(topK(flat, rows, sizes));
        const found = selectQuota(scores, k, alpha, options);
        const cap = capacity(alpha, rows.length, k, experts);
        const expected = quota(flat, rows, cap, sizes);
        expect(await found.indices.data(), `quota of instance ${i}`).toEqual(expected.indices);
        expect(await found.dropped.data()).toEqual(Int32Array.of(expected.dropped));
        expect(await found.swaps.data()).toEqual(Int32Array.of(expected.swaps));
        const load = expertLoad(found.indices, experts);
        expect(await load.data()).toEqual(
          Int32Array.from({ length: experts }, (_, e) => expected.indices.filter(x => x === e).length),
        );
        return [scores, maskTensor, best, found, load];
      });
    }
  });

  test.each(['share', 'log', 'raw'] as const)(
    '%s gates and their gradient equal the plain rule',
    async kind => {
      const rng = new Rng(12).split(kind, experts);
      for (let i = 0; i < KINDS; i++) {
        const tokens = i === 2 ? 1 : 1 + rng.integer(70);
        const live = Array.from({ length: tokens }, (_, t) => (i % 2 === 1 && t % 3 !== 1 ? 0 : 1));
        const drawn = randomScores(() => rng.uniform(), tokens, experts, i);
        const closed = kind !== 'log' ? 0 : Number.NEGATIVE_INFINITY;
        const flat = Float32Array.from(
          // rows where nothing is left among them, and padding of NaN
          drawn.flatMap((row, t) => row.map(x => (live[t] === 0 ? Number.NaN : x < 0.2 ? closed : x))),
        );
        const sizes = { tokens, experts, k, groups };
        const rows = liveRows(live, tokens);
        const { indices } = quota(flat, rows, capacity(i < 3 ? 0.8 : 1, rows.length, k, experts), sizes);
        const gates = { tokens, experts, slots: k, groups, kind };
        const expected = gateForward(flat, indices, gates);
        const cotangent = rng.fillNormal(new Float32Array(tokens * k));
        const gradient = gateBackward(flat, indices, expected, cotangent, gates);
        await noLeaks(async () => {
          const scores = tf.tensor2d(flat, [tokens, experts]);
          const chosen = tf.tensor2d(indices, [tokens, k], 'int32');
          const options = { groups, log: kind === 'log', normalise: kind !== 'raw' };
          const weights = gateWeights(scores, chosen, options);
          const dy = tf.tensor2d(cotangent, [tokens, k]);
          const dx = tf.grad(s => tf.sum(tf.mul(gateWeights(s as tf.Tensor2D, chosen, options), dy)))(scores);
          close(await weights.data<'float32'>(), expected);
          close(await dx.data<'float32'>(), gradient);
          return [scores, chosen, weights, dy, dx];
        });
      }
    },
  );
});

function close(actual: Float32Array, expected: Float32Array): void {
  expect(actual.length).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(3e-6 * Math.max(1, Math.abs(value)));
  });
}

test('only scores that reach an expert’s threshold are chosen, NaN at padding is not read', async () => {
  const scores = tf.tensor2d([0.5, 0.3, 0.2, 0.1, 0.2, 0.7, Number.NaN, Number.NaN, Number.NaN], [3, 3]);
  const atLeast = tf.tensor1d([0.4, 0.2, 0.2]);
  const mask = tf.tensor1d([1, 1, 0]);
  const found = selectTopK(scores, 3, { atLeast, mask });
  expect([...(await found.data())]).toEqual([0, 1, 2, 2, 1, -1, -1, -1, -1]);
  tf.dispose([scores, atLeast, mask, found]);
});

test('no tokens', () => {
  const scores = tf.zeros([0, 4]) as tf.Tensor2D;
  expect(selectTopK(scores, 2).shape).toEqual([0, 2]);
  expect(selectQuota(scores, 2, 1).indices.shape).toEqual([0, 2]);
});
