/** Routing by a hash and at random: the same again, spread evenly, and told apart by what it should be. */
import { Rng } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { hashScores } from './hash-scores.ts';
import { HashRouter, RandomRouter, type RouteContext } from './index.ts';
import { hashScoresOf } from './kernels/reference/hash-scores.ts';

beforeAll(testBackend);

const [E, K, N] = [8, 2, 512];
const options = (seed: number) => ({ experts: E, hidden: 1, k: K, rng: new Rng(seed) });

/** The experts of tokens 0 … N−1, at the given position. */
async function routed(
  router: HashRouter | RandomRouter,
  more: Partial<RouteContext> = {},
  position = 0,
): Promise<number[][]> {
  const context: RouteContext = {
    balance: 'batch',
    training: true,
    step: 0,
    tokens: tf.reshape(tf.range(0, N, 1, 'int32'), [1, N]) as Tensor2D,
    positions: tf.fill([1, N], position, 'int32') as Tensor2D,
    ...more,
  };
  const x = tf.zeros([1, N, 1]) as Tensor3D;
  const routing = router.route(x, context);
  await expectClose(routing.weights, new Array<number>(N * K).fill(1 / K), { name: 'gates' });
  const indices = (await routing.indices.array()) as number[][];
  for (const row of indices) expect(new Set(row).size, 'distinct experts').toBe(K);
  tf.dispose([routing as unknown as tf.TensorContainer, x, context.tokens!, context.positions!]);
  return indices;
}

/** χ² of the load against equal shares, over its mean under chance, E − 1 (a little less for distinct experts). */
function unevenness(indices: number[][]): number {
  const load = new Array<number>(E).fill(0);
  for (const e of indices.flat()) load[e]! += 1;
  const mean = (indices.length * K) / E;
  return load.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0) / (E - 1);
}

const same = (a: number[][], b: number[][]): number =>
  a.filter((row, t) => String(row) === String(b[t])).length / a.length;
/** What two independent ordered draws share. */
const CHANCE = 1 / (E * (E - 1));

describe('hash', () => {
  it('goes by the token alone, evenly, and differs between layers', async () => {
    const [one, again, other] = [1, 1, 2].map(seed => new HashRouter(options(seed)));
    const first = await routed(one!);
    expect(await routed(again!)).toEqual(first);
    expect(await routed(one!, { step: 9, training: false, balance: 'none' }, 7)).toEqual(first);
    expect(unevenness(first)).toBeLessThan(3);
    expect(same(first, await routed(other!))).toBeLessThan(CHANCE + 0.03);
  });
});

describe('random', () => {
  it('draws anew for every step and position, and keeps to one draw in evaluation', async () => {
    const router = new RandomRouter(options(1));
    const first = await routed(router);
    expect(await routed(new RandomRouter(options(1)))).toEqual(first);
    expect(unevenness(first)).toBeLessThan(3);
    for (const other of [
      await routed(router, { step: 1 }),
      await routed(router, {}, 1),
      await routed(router, { training: false }),
      await routed(new HashRouter(options(1))),
    ]) {
      expect(unevenness(other)).toBeLessThan(3);
      expect(same(first, other)).toBeLessThan(CHANCE + 0.03);
    }
    expect(await routed(router, { training: false, step: 3 })).toEqual(
      await routed(router, { training: false }),
    );
  });
});

it('asks for what it goes by', () => {
  const x = tf.zeros([1, 2, 1]) as Tensor3D;
  const tokens = tf.zeros([1, 2], 'int32') as Tensor2D;
  const context = { balance: 'none', training: false, step: 0 } as const;
  expect(() => new HashRouter(options(1)).route(x, context)).toThrow('no tokens');
  expect(() => new RandomRouter(options(1)).route(x, { ...context, tokens })).toThrow('no positions');
  expect(() =>
    new HashRouter(options(1)).route(x, { ...context, tokens: tokens.toFloat() as Tensor2D }),
  ).toThrow('int32');
  tf.dispose([x, tokens]);
});

it.each([
  [1, 1],
  [1, 33],
  [67, 1],
  [300, 5],
])('gives %i tokens the same bits at %i experts on every backend', async (count, experts) => {
  const ids = Array.from({ length: count }, (_, i) => i * 7919);
  const tokens = tf.tensor1d(ids, 'int32');
  const words = [0xdeadbeef, 42, 1, 2 ** 32 - 1] as const;
  const scores = hashScores(tokens, tokens, experts, words);
  const expected = hashScoresOf(ids, ids, { experts, words });
  expect(await scores.data()).toEqual(expected);
  const without = hashScores(tokens, undefined, experts, words);
  expect(await without.data()).toEqual(hashScoresOf(ids, undefined, { experts, words }));
  expect(Math.min(...expected)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...expected)).toBeLessThan(1);
  tf.dispose([tokens, scores, without]);
});
