import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { CopiedRouter } from './copied-router.ts';
import { context, MAKERS, release, standing, statisticsOf, TOKENS, tokensOf } from './router-testing.ts';

beforeAll(testBackend);

const [E, K] = [5, 2];
const each = <T>(values: readonly T[], copies: number): T[] =>
  values.flatMap(value => new Array<T>(copies).fill(value));

describe.each(Object.entries(MAKERS))('copies of the experts of %s', (_, make) => {
  it.each([1, 2, 3])('%i: share what the original gets', async copies => {
    await noLeaks(async () => {
      const original = make({ experts: E, k: K });
      const router = new CopiedRouter(original, copies);
      expect([router.experts, router.slots]).toEqual([copies * E, copies * original.slots]);
      const x = tokensOf(3);
      const mask = tf.tensor2d(
        Array.from({ length: TOKENS }, (_, t) => (t % 7 === 6 ? 0 : 1)),
        [2, 7],
      );
      const ids = standing(5);
      for (const balance of ['batch', 'potentials', 'none'] as const) {
        const given = { ...context(balance, mask), ...ids };
        const [one, many] = [original.route(x, given), router.route(x, given)];
        const chosen = (await one.indices.array()) as number[][];
        const copied = chosen.map(row =>
          row.flatMap(e => Array.from({ length: copies }, (_, c) => (e < 0 ? -1 : copies * e + c))),
        );
        expect(await many.indices.array()).toEqual(copied);
        expect(many.indices.dtype).toBe('int32');
        const shared = async (tensor: tf.Tensor2D) =>
          ((await tensor.array()) as number[][]).flatMap(row => each(row, copies).map(w => w / copies));
        await expectClose(many.weights, await shared(one.weights), { name: 'gates' });
        await expectClose(many.probabilities, await shared(one.probabilities), { name: 'distribution' });
        expect([...(await many.load.data())]).toEqual(each([...(await one.load.data())], copies));
        expect(many.expertVectors?.shape[0]).toBe(one.expertVectors && copies * E);
        expect(await statisticsOf(many)).toEqual(await statisticsOf(one));
        expect(await many.loss.data()).toEqual(await one.loss.data());
        release(one, many);
      }
      router.commit([]);
      expect(router.state()).toEqual(original.state());
      release(x, mask, ids.tokens, ids.positions, router);
    });
  });
});

it('the gates of all copies carry the gradient of the original', async () => {
  const original = MAKERS.cosine!({ experts: E, k: K });
  const router = new CopiedRouter(original, 3);
  const x = tokensOf(4);
  const ramp = tf.range(0, K * TOKENS).reshape([TOKENS, K]) as tf.Tensor2D;
  const wide = tf.tile(ramp.expandDims(2), [1, 1, 3]).reshape([TOKENS, 3 * K]);
  const gradient = (route: typeof router.route, times: tf.Tensor) =>
    tf.grad(y =>
      route(y as tf.Tensor3D, context('none'))
        .weights.mul(times)
        .sum(),
    )(x);
  const one = gradient((y, c) => original.route(y, c), ramp);
  const many = gradient((y, c) => router.route(y, c), wide);
  await expectClose(many, [...(await one.data())], { name: 'gradient' });
  tf.dispose([x, ramp, wide, one, many]);
  release(router);
});

it('refuses what is no number of copies', () => {
  const original = MAKERS.cosine!({ experts: E, k: K });
  for (const copies of [0, -1, 1.5, Number.NaN]) {
    expect(() => new CopiedRouter(original, copies)).toThrow(expect.objectContaining({ code: 'VALUE' }));
  }
  release(original);
});
