import { Rng, setBackend } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { dispatchPlan } from './dispatch-plan.ts';
import { expertMixture } from './expert-mixture.ts';

// a promise of the wasm kernel: libraries behind other backends choose their order of additions by the size
beforeAll(() => setBackend('wasm'));

it('gives a token the same bits whatever stands beside it', async () => {
  const [tokens, hidden, inner, experts] = [40, 33, 12, 3];
  const rng = new Rng(11);
  const x = rng.normalTensor([tokens, hidden]) as Tensor2D;
  const weights = rng.normalTensor([tokens, 2]) as Tensor2D;
  const up = rng.normalTensor([experts, 2 * inner, hidden]) as Tensor3D;
  const down = rng.normalTensor([experts, hidden, inner]) as Tensor3D;
  const of = async (rows: number[]): Promise<number[]> => {
    const indices = rows.map(t => [t % experts, (t + 1 + (t % 2)) % experts]);
    const plan = dispatchPlan(tf.tensor2d(indices, undefined, 'int32'), experts);
    const ids: Tensor1D = tf.tensor1d(rows, 'int32');
    return [...(await expertMixture(tf.gather(x, ids), tf.gather(weights, ids), up, down, plan).data())];
  };
  const all = await of(Array.from({ length: tokens }, (_, t) => t));
  for (const rows of [[7], [3, 4, 5, 6, 7, 8]]) {
    expect(await of(rows)).toEqual(rows.flatMap(t => all.slice(t * hidden, (t + 1) * hidden)));
  }
});
