/** What the contract asks of every router. */
import { Rng } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { HostStatistics, RouteContext, Router } from './router.ts';
import {
  BATCH,
  context,
  HIDDEN,
  MAKERS,
  POSITIONS,
  release,
  standing,
  statisticsOf,
  TOKENS,
  tokensOf,
} from './router-testing.ts';

beforeAll(testBackend);

describe.each(Object.entries(MAKERS))('%s', (name, make) => {
  const sizes = { experts: 5, k: 2 };

  test('a decision has the shapes of the contract, leaves padding out and leaks nothing', async () => {
    await noLeaks(async () => {
      const router = make(sizes);
      for (const parameter of router.parameters()) {
        expect(parameter.name).toMatch(/^layers\.0\./);
        expect(parameter.role).toBe('router');
      }
      const x = tokensOf(3);
      const mask = tf.tensor2d([1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1], [BATCH, POSITIONS]);
      const keep = await mask.data<'float32'>();
      const where = standing(3);
      for (const balance of ['batch', 'potentials', 'none'] as const) {
        for (const training of [true, false]) {
          const routing = router.route(x, { ...context(balance, mask, training), ...where });
          expect(routing.indices.shape).toEqual([TOKENS, router.slots]);
          expect(routing.indices.dtype).toBe('int32');
          expect(routing.weights.shape).toEqual([TOKENS, router.slots]);
          expect(routing.probabilities.shape).toEqual([TOKENS, 5]);
          expect(routing.load.shape).toEqual([5]);
          expect(routing.loss.shape).toEqual([]);
          if (router.parameters().length === 0) expect(routing.expertVectors).toBeUndefined();
          else expect(routing.expertVectors!.shape[0]).toBe(5);
          if (!training) expect([routing.losses, routing.statistics]).toEqual([{}, {}]);
          const [indices, weights] = [
            await routing.indices.data<'int32'>(),
            await routing.weights.data<'float32'>(),
          ];
          const P = await routing.probabilities.data<'float32'>();
          const load = new Array<number>(5).fill(0);
          indices.forEach((e, slot) => {
            const t = Math.floor(slot / router.slots);
            if (keep[t] === 0) expect([e, weights[slot]]).toEqual([-1, 0]);
            if (e >= 0) load[e]! += 1;
            else expect(weights[slot]).toBe(0);
          });
          keep.forEach((live, t) => {
            expect(P.slice(t * 5, t * 5 + 5).reduce((a, b) => a + b, 0)).toBeCloseTo(live, 5);
          });
          expect([...(await routing.load.data<'int32'>())]).toEqual(load);
          release(routing);
        }
      }
      release(router, x, mask, where.tokens, where.positions);
    });
  });

  test('padding changes nothing for the tokens', async () => {
    const router = make(sizes);
    const x = tokensOf(4);
    const mask = tf.tensor2d([1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [BATCH, POSITIONS]);
    const short = tf.slice(x, [0, 0, 0], [1, POSITIONS, HIDDEN]);
    const [all, some] = [standing(4), standing(4, 1)];
    for (const balance of ['batch', 'none'] as const) {
      const padded = router.route(x, { ...context(balance, mask), ...all });
      const alone = router.route(short, { ...context(balance), ...some });
      const size = POSITIONS * router.slots;
      expect([...(await padded.indices.data())].slice(0, size)).toEqual([...(await alone.indices.data())]);
      await expectClose([...(await padded.weights.data())].slice(0, size), await alone.weights.data(), {
        name: 'weights',
      });
      await expectClose(padded.loss, await alone.loss.data(), { name: 'loss', tolerance: 1e-5 });
      release(padded, alone);
    }
    release(router, x, mask, short, ...Object.values(all), ...Object.values(some));
  });

  test.each([
    { experts: 1, k: 1, positions: 3 },
    { experts: 4, k: 4, positions: 3 },
    { experts: 3, k: 2, positions: 1 },
  ])('E = $experts, k = $k, $positions positions', async ({ experts, k, positions }) => {
    const router = make({ experts, k });
    const x = new Rng(5).normalTensor([1, positions, HIDDEN]) as tf.Tensor3D;
    const where = standing(5, 1, positions);
    const routing = router.route(x, { ...context('batch'), ...where });
    const load = [...(await routing.load.data<'int32'>())];
    if (k === experts) expect(load).toEqual(new Array<number>(experts).fill(positions));
    else expect(load.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(positions);
    for (const w of await routing.weights.data<'float32'>()) expect(Number.isFinite(w)).toBe(true);
    release(router, x, routing, ...Object.values(where));
  });

  test('a commit takes another momentum for what it averages', async () => {
    const router = make(sizes);
    const where = standing(6);
    const statistics = async (seed: number): Promise<HostStatistics[]> => {
      const x = tokensOf(seed);
      const routing = router.route(x, { ...context('batch'), ...where });
      const found = await statisticsOf(routing);
      release(x, routing);
      return [found];
    };
    router.commit(await statistics(6));
    const [before, step] = [router.state(), await statistics(7)];
    const after = (rho?: number): number[] => {
      router.loadState(before);
      router.commit(step, rho);
      return Object.values(router.state()).flatMap(({ data }) => [...data]);
    };
    const [forgets, quarter, half] = [after(0), after(0.25), after(0.5)];
    await expectClose(
      quarter,
      forgets.map((value, i) => (value + half[i]!) / 2),
      { name: 'linear in the momentum', tolerance: 1e-5 },
    );
    const averages = ['expert choice', 'quantile'].includes(name);
    expect(half.some((value, i) => value !== forgets[i])).toBe(averages);
    release(router, ...Object.values(where));
  });

  test('wrong input is an error', () => {
    const router = make(sizes);
    const narrow = tf.zeros([1, 2, HIDDEN - 1]) as tf.Tensor3D;
    expect(() => router.route(narrow, context('none'))).toThrow(expect.objectContaining({ code: 'SHAPE' }));
    expect(() => make({ experts: 2, k: 3 })).toThrow(expect.objectContaining({ code: 'VALUE' }));
    expect(() => router.loadState({ other: { shape: [1], data: Float32Array.of(1) } })).toThrow(
      expect.objectContaining({ code: 'CHECKPOINT_MISMATCH' }),
    );
    release(router, narrow);
  });

  /** Whether any output at or before position p of the first sequence moves when all later tokens change. */
  async function suffixMoves(router: Router, balance: RouteContext['balance']): Promise<boolean> {
    const [a, b] = [tokensOf(6), tokensOf(7)];
    let moved = false;
    for (let p = 0; p < POSITIONS - 1; p++) {
      const prefix = tf.tidy(() =>
        tf.reshape(tf.cast(tf.less(tf.range(0, POSITIONS), p + 1), 'float32'), [1, POSITIONS, 1]),
      );
      const mixed = tf.tidy(() => tf.add<tf.Tensor3D>(tf.mul(a, prefix), tf.mul(b, tf.sub(1, prefix))));
      const [was, changed] = [standing(6), standing(7)];
      const tokens = tf.tidy(() => {
        const kept = tf.cast(tf.reshape(prefix, [1, POSITIONS]), 'int32');
        const others = tf.mul(changed.tokens, tf.sub(tf.scalar(1, 'int32'), kept));
        return tf.add<tf.Tensor2D>(tf.mul(was.tokens, kept), others);
      });
      const first = router.route(a, { ...context(balance), ...was });
      const second = router.route(mixed, { ...context(balance), ...was, tokens });
      for (const name of ['indices', 'weights', 'probabilities'] as const) {
        const [before, after] = [await first[name].data(), await second[name].data()];
        const width = before.length / TOKENS;
        for (let s = 0; s < BATCH; s++) {
          for (let i = 0; i < (p + 1) * width; i++) {
            const at = s * POSITIONS * width + i;
            moved ||= Math.abs(before[at]! - after[at]!) > 1e-6;
          }
        }
      }
      release(first, second, prefix, mixed, tokens, changed.positions, changed.tokens, ...Object.values(was));
    }
    release(a, b);
    return moved;
  }

  test('suffix test: the causal modes do not see the future', async () => {
    const router = make(sizes);
    for (const balance of ['potentials', 'none'] as const)
      expect(await suffixMoves(router, balance)).toBe(false);
    if (router.kind === 'expert-choice' || router.kind === 's-base')
      expect(await suffixMoves(router, 'batch'), 'the test can fail').toBe(true);
    release(router);
  });
});
