import { normalise, Rng } from '@spectra/tensor';
import { expectClose, gradientsOf, testBackend } from '@spectra/testing';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { specialityLoss } from './speciality.ts';

/** The definition, pair by pair in float64, and its gradient. */
function byPairs(
  r: ArrayLike<number>,
  N: number,
  E: number,
  D: number,
): { value: number; gradient: number[] } {
  let value = 0;
  const gradient = new Array<number>(N * E * D).fill(0);
  const share = 1 / (N * Math.max(1, E * (E - 1)));
  for (let t = 0; t < N; t++) {
    for (let i = 0; i < E; i++) {
      for (let e = 0; e < E; e++) {
        if (e === i) continue;
        const [a, b] = [(t * E + i) * D, (t * E + e) * D];
        let dot = 0;
        for (let d = 0; d < D; d++) dot += r[a + d]! * r[b + d]!;
        value += share * dot * dot;
        for (let d = 0; d < D; d++) gradient[a + d]! += 4 * share * dot * r[b + d]!;
      }
    }
  }
  return { value, gradient };
}

describe('speciality', () => {
  beforeAll(testBackend);

  it.each([
    [4, 3, 7],
    [5, 9, 4],
    [3, 6, 6],
    [2, 1, 5],
    [3, 5, 1],
    [1, 1, 1],
    [0, 3, 2],
    [1, 2, 17],
    [67, 4, 3],
    [3, 19, 21],
    [2, 33, 18],
  ])('is the definition on either side of the product: N=%i E=%i D=%i', async (N, E, D) => {
    const r = tf.tidy(() => normalise(new Rng(3).normalTensor([N, E, D])));
    const { value, gradients } = gradientsOf(v => specialityLoss(v.r as Tensor3D), { r });
    const expected = byPairs(await r.data(), N, E, D);
    await expectClose(value, expected.value, { tolerance: 1e-6 });
    await expectClose(gradients.r, expected.gradient, { tolerance: 1e-6 });
  });

  it('takes zero vectors as they are and leaves padding out', async () => {
    const r = tf.tidy(() =>
      normalise(tf.mul(new Rng(4).normalTensor([4, 5, 2]), tf.tensor([1, 0, 1, 1, 1]).reshape([1, 5, 1]))),
    );
    const kept = tf.slice(r, [1, 0, 0], [2, -1, -1]);
    const { value, gradients } = gradientsOf(
      v => specialityLoss(v.r as Tensor3D, tf.tensor1d([0, 1, 1, 0])),
      { r },
    );
    const expected = byPairs(await kept.data(), 2, 5, 2);
    await expectClose(value, expected.value, { tolerance: 1e-6 });
    const rows = await tf.slice(gradients.r, [1, 0, 0], [2, -1, -1]).data();
    await expectClose(rows as Float32Array, expected.gradient, { tolerance: 1e-6 });
    await expectClose(tf.slice(gradients.r, [3, 0, 0], [1, -1, -1]), new Array(10).fill(0));
  });
});
