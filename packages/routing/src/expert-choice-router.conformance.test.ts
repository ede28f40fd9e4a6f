/** The router against its published rule worked out in float64. */
import { Rng } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  context,
  expertChoice,
  HIDDEN,
  probabilities,
  release,
  statisticsOf,
  TOKENS,
  tokensOf,
} from './router-testing.ts';

beforeAll(testBackend);

describe('expert choice', () => {
  test('each expert takes its best tokens, gates are the scores', async () => {
    const router = expertChoice({ experts: 4, k: 2 });
    const x = tokensOf(11);
    const routing = router.route(x, context('batch'));
    const P = probabilities(await x.data<'float32'>(), await router.gate.variable.data<'float32'>(), 4);
    const cap = (TOKENS * 2) / 4;
    const taken = Array.from({ length: 4 }, (_, e) =>
      P.map((_, t) => t)
        .sort((a, b) => P[b]![e]! - P[a]![e]!)
        .slice(0, cap),
    );
    const expected = P.flatMap((row, t) => {
      const held = [0, 1, 2, 3].filter(e => taken[e]!.includes(t)).sort((a, b) => row[b]! - row[a]!);
      return [...held, ...new Array<number>(4 - held.length).fill(-1)];
    });
    expect([...(await routing.indices.data<'int32'>())]).toEqual(expected);
    const gates = expected.map((e, slot) => (e < 0 ? 0 : P[Math.floor(slot / 4)]![e]!));
    await expectClose(routing.weights, gates, { tolerance: 1e-6 });
    expect([...(await routing.load.data<'int32'>())]).toEqual([cap, cap, cap, cap]);
    release(router, x, routing);
  });

  test('its thresholds come from commits, balance later batches and survive a checkpoint', async () => {
    const router = expertChoice({ experts: 4, k: 2 });
    const before = router.state();
    const tokens = (seed: number): tf.Tensor3D =>
      new Rng(seed).normalTensor([1, 200, HIDDEN], 0.4) as tf.Tensor3D;
    for (let step = 0; step < 5; step++) {
      const micro = await Promise.all(
        [0, 1].map(async i => {
          const x = tokens(100 + 2 * step + i);
          const routing = router.route(x, context('batch'));
          const statistics = await statisticsOf(routing);
          release(x, routing);
          return statistics;
        }),
      );
      router.commit(micro);
    }
    const state = router.state();
    expect(before.steps!.data[0]).toBe(0);
    expect(state.steps!.data[0]).toBe(5);
    const x = tokens(999);
    const routing = router.route(x, context('potentials'));
    for (const load of await routing.load.data<'int32'>()) {
      expect(load, 'near 100 of 200 tokens').toBeGreaterThan(75);
      expect(load).toBeLessThan(125);
    }
    const other = expertChoice({ experts: 4, k: 2 });
    other.loadState(state);
    const again = other.route(x, context('none'));
    expect(await again.indices.data()).toEqual(await routing.indices.data<'int32'>());
    expect(other.state()).toEqual(state);
    expect(router.state(), 'routing changes no state').toEqual(state);
    release(router, other, x, routing, again);
  });

  test('a threshold that one batch set gives every expert as many of its tokens as the batch rule', async () => {
    for (const sizes of [
      { experts: 4, k: 2 },
      { experts: 1, k: 1 },
    ]) {
      const router = expertChoice(sizes);
      const x = tokensOf(11);
      const routing = router.route(x, context('batch'));
      router.commit([await statisticsOf(routing)]);
      const causal = router.route(x, context('potentials'));
      expect(await causal.load.data<'int32'>()).toEqual(await routing.load.data<'int32'>());
      release(router, x, routing, causal);
    }
  });

  test('a single expert takes every token from the start', async () => {
    const router = expertChoice({ experts: 1, k: 1 });
    const x = tokensOf(11);
    const routing = router.route(x, context('none'));
    expect([...(await routing.load.data<'int32'>())]).toEqual([TOKENS]);
    release(router, x, routing);
  });

  test('equal logits pass the first thresholds on every expert', async () => {
    for (const experts of [3, 7, 16]) {
      const router = expertChoice({ experts, k: 1 });
      router.gate.variable.assign(tf.zeros([experts, HIDDEN]));
      const x = tokensOf(11);
      const routing = router.route(x, context('none'));
      expect([...(await routing.load.data<'int32'>())]).toEqual(new Array<number>(experts).fill(TOKENS));
      release(router, x, routing);
    }
  });

  test('the gradient reaches the gate through the scores', async () => {
    const router = expertChoice({ experts: 4, k: 2 });
    const x = tokensOf(12);
    const cotangent = new Rng(13).normalTensor([TOKENS, 4]);
    const [xs, cot, weight] = await Promise.all([
      x.data<'float32'>(),
      cotangent.data<'float32'>(),
      router.gate.variable.data<'float32'>(),
    ]);
    for (const balance of ['batch', 'none'] as const) {
      const routing = router.route(x, context(balance));
      const chosen = await routing.indices.data<'int32'>();
      const total = (w: ArrayLike<number>): number => {
        const P = probabilities(xs, w, 4);
        return chosen.reduce(
          (sum, e, slot) => sum + (e < 0 ? 0 : P[Math.floor(slot / 4)]![e]! * cot[slot]!),
          0,
        );
      };
      const { value, grads } = tf.variableGrads(
        () => tf.sum(tf.mul(router.route(x, context(balance)).weights, cotangent)) as tf.Scalar,
      );
      const gradient = Float64Array.from(weight, (_, i) => {
        const at = (h: number): Float64Array => Float64Array.from(weight, (v, j) => (j === i ? v + h : v));
        return (total(at(1e-5)) - total(at(-1e-5))) / 2e-5;
      });
      await expectClose(Object.values(grads)[0]!, gradient, { name: balance, tolerance: 1e-5 });
      release(routing, value, ...Object.values(grads));
    }
    release(router, x, cotangent);
  });
});
