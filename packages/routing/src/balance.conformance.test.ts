/** Routers that promise balance keep it, on tokens that a plain gate would crowd onto few experts. */
import { Rng } from '@spectra/tensor';
import { testBackend } from '@spectra/testing';
import type { Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { QuantileRouter, SinkhornRouter, TopKRouter } from './index.ts';
import type { RouteContext } from './router.ts';
import { release, statisticsOf } from './router-testing.ts';

beforeAll(testBackend);

const [E, K, H, N] = [8, 2, 6, 512];
const options = () => ({ experts: E, hidden: H, k: K, rng: new Rng(1), deviation: 0.5 });

/** Tokens around a common direction, so that some experts are far ahead. */
function crowd(seed: number): Tensor3D {
  return tf.tidy(() => tf.add(new Rng(seed).normalTensor([1, N, H]), [1, -1, 1, 0, 1, -1])) as Tensor3D;
}

/** max n/μ − 1 of one batch, and its statistics. */
async function excess(router: TopKRouter, x: Tensor3D, balance: RouteContext['balance']) {
  const routing = router.route(x, { balance, training: true, step: 0 });
  const load = await routing.load.data<'int32'>();
  const statistics = await statisticsOf(routing);
  release(routing);
  return { violation: Math.max(...load) / ((N * K) / E) - 1, statistics };
}

it('a plain gate crowds, so the others have something to do', async () => {
  const router = new TopKRouter(options());
  const x = crowd(1);
  expect((await excess(router, x, 'batch')).violation).toBeGreaterThan(0.5);
  release(router, x);
});

it('quantile balancing evens one batch to a few tokens, and holds on new ones', async () => {
  const router = new QuantileRouter(options());
  const x = crowd(1);
  // logits do not depend on the price, so one batch's serve all its steps
  const { statistics } = await excess(router, x, 'none');
  for (let step = 0; step < 40; step++) router.commit([statistics]);
  expect((await excess(router, x, 'none')).violation, 'the batch it was solved on').toBeLessThan(0.05);
  const other = crowd(2);
  expect((await excess(router, other, 'none')).violation, 'other tokens').toBeLessThan(0.35);
  const beta = Array.from(router.state().beta!.data);
  expect(beta.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 5);
  release(router, x, other);
});

it('S-BASE is nearly balanced over its batch and not without one', async () => {
  const router = new SinkhornRouter(options());
  const x = crowd(1);
  const [batch, causal] = [await excess(router, x, 'batch'), await excess(router, x, 'none')];
  expect(batch.violation).toBeLessThan(0.35);
  expect(causal.violation).toBeGreaterThan(0.5);
  release(router, x);
});

it('S-BASE ranks experts whose share of the plan is too small for a float', async () => {
  const router = new SinkhornRouter({ experts: 3, hidden: 3, k: 2, temperature: 0.05 });
  router.gate.variable.assign(tf.eye(3));
  // by symmetry the prices are equal: each token's second expert is that of its second logit
  const x = tf.tensor3d(
    [
      [0, -6, -5.5],
      [-5.5, 0, -6],
      [-6, -5.5, 0],
    ].flat(),
    [1, 3, 3],
  );
  const routing = router.route(x, { balance: 'batch', training: true, step: 0 });
  expect([...(await routing.indices.data<'int32'>())]).toEqual([0, 2, 1, 0, 2, 1]);
  release(router, x, routing);
});
