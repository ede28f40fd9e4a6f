/** The router against its published rule worked out in float64. */
import { Rng } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  BATCH,
  context,
  HIDDEN,
  POSITIONS,
  probabilities,
  release,
  softmax,
  TOKENS,
  tokensOf,
} from './router-testing.ts';

beforeAll(testBackend);

describe('softmax top-k', () => {
  test.each([true, false])(
    'weights, losses and gradients are the published ones, normalise %s',
    async normalise => {
      const { experts, k } = { experts: 5, k: 2 };
      const router = softmax({ experts, k }, { normalise });
      const x = tokensOf(8);
      const mask = tf.tensor2d([1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0], [BATCH, POSITIONS]);
      const cotangent = new Rng(9).normalTensor([TOKENS, k]);
      const [xs, keep, cot, weight] = await Promise.all([
        x.data<'float32'>(),
        mask.data<'float32'>(),
        cotangent.data<'float32'>(),
        router.gate.variable.data<'float32'>(),
      ]);
      const routing = router.route(x, context('batch', mask));
      const chosen = await routing.indices.data<'int32'>();

      const evaluate = (w: ArrayLike<number>) => {
        const P = probabilities(xs, w, experts);
        const live = keep.reduce((a, b) => a + b, 0);
        const load = new Array<number>(experts).fill(0);
        for (const e of chosen) if (e >= 0) load[e]! += 1;
        let balance = 0;
        let z = 0;
        let total = 0;
        const weights = P.flatMap((row, t) => {
          if (keep[t] === 0) return [0, 0];
          row.forEach((p, e) => {
            balance += (experts * load[e]! * p) / (live * k * live);
          });
          let mass = 0;
          for (let e = 0; e < experts; e++) {
            let logit = 0;
            for (let h = 0; h < HIDDEN; h++) logit += xs[t * HIDDEN + h]! * w[e * HIDDEN + h]!;
            mass += Math.exp(logit);
          }
          z += Math.log(mass) ** 2 / live;
          const scores = [chosen[2 * t]!, chosen[2 * t + 1]!].map(e => row[e]!);
          const sum = normalise ? scores[0]! + scores[1]! : 1;
          return scores.map(p => p / sum);
        });
        weights.forEach((value, i) => {
          total += value * cot[i]!;
        });
        return { weights, balance, z, loss: 0.5 * balance + 0.1 * z, total: total + 0.5 * balance + 0.1 * z };
      };
      const expected = evaluate(weight);
      await expectClose(routing.weights, expected.weights, { name: 'weights', tolerance: 1e-6 });
      await expectClose(routing.losses.balance!, expected.balance, { name: 'balance', tolerance: 1e-6 });
      await expectClose(routing.losses.z!, expected.z, { name: 'z', tolerance: 1e-5 });
      await expectClose(routing.loss, expected.loss, { name: 'loss', tolerance: 1e-5 });

      const { value, grads } = tf.variableGrads(() => {
        const found = router.route(x, context('batch', mask));
        return tf.add(tf.sum(tf.mul(found.weights, cotangent)), found.loss) as tf.Scalar;
      });
      const gradient = Float64Array.from(weight, (_, i) => {
        const h = 1e-5;
        const at = (sign: number): Float64Array =>
          Float64Array.from(weight, (v, j) => (j === i ? v + sign * h : v));
        return (evaluate(at(1)).total - evaluate(at(-1)).total) / (2 * h);
      });
      await expectClose(value, expected.total, { name: 'total', tolerance: 1e-5 });
      await expectClose(Object.values(grads)[0]!, gradient, {
        name: 'gradient of the gate',
        tolerance: 1e-5,
      });
      release(router, x, mask, cotangent, routing, value, ...Object.values(grads));
    },
  );

  test('an even load has balance loss 1', async () => {
    const router = softmax({ experts: 4, k: 4 });
    const x = tokensOf(10);
    const routing = router.route(x, context('none'));
    await expectClose(routing.losses.balance!, 1, { tolerance: 1e-6 });
    expect(router.state()).toEqual({});
    release(router, x, routing);
  });
});
