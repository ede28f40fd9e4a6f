import { backendUnderTest, expectClose, fixture, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { expertLoad, gateWeights, selectQuota, selectTopK } from './index.ts';

beforeAll(testBackend);

const golden = fixture('select');
const cases = Object.entries(golden.cases).filter(([name]) => golden.has(`${name}.cot_gates`));

describe(`selection on ${backendUnderTest()}`, () => {
  test.each(cases)('%s', async (name, facts) => {
    const { k, alpha } = facts.params as { k: number; alpha: number };
    const log = golden.has(`${name}.log_scores`);
    const scores = golden.tensor(`${name}.${log ? 'log_scores' : 'scores'}`) as tf.Tensor2D;
    const cotangent = golden.tensor(`${name}.cot_gates`);
    const mask = golden.has(`${name}.mask`) ? golden.tensor(`${name}.mask`) : undefined;
    const options = mask === undefined ? {} : { mask };

    const check = async (
      rule: 'quota' | 'top_k',
      choose: (scores: tf.Tensor2D) => tf.Tensor2D,
    ): Promise<void> => {
      const indices = tf.tidy(() => choose(scores));
      const load = expertLoad(indices, scores.shape[1]);
      await expectClose(indices, golden.array(`${name}.${rule}.index`), {
        case: name,
        name: `${rule}.index`,
      });
      await expectClose(load, golden.array(`${name}.${rule}.load`), { case: name, name: `${rule}.load` });
      tf.dispose([indices, load]);
      // the choice is made from the variable itself: it must act as a constant on the tape
      const { value, grad } = tf.valueAndGrad(s => {
        const gates = gateWeights(s as tf.Tensor2D, choose(s as tf.Tensor2D), { log });
        return tf.sum(tf.mul(gates, cotangent));
      })(scores);
      const gates = tf.tidy(() => gateWeights(scores, choose(scores), { log }));
      for (const [tensor, what] of [
        [gates, 'gates'],
        [grad, 'grad_scores'],
      ] as const) {
        const error = golden.error(name, `${rule}.${what}`);
        await expectClose(tensor, golden.array(`${name}.${rule}.${what}`), {
          case: name,
          name: `${rule}.${what}`,
          error,
        });
      }
      tf.dispose([value, grad, gates]);
    };

    await noLeaks(async () => {
      await check('top_k', s => selectTopK(s, k, options));
      await check('quota', s => selectQuota(s, k, alpha, options).indices);
      const { indices, dropped, swaps } = selectQuota(scores, k, alpha, options);
      expect((await dropped.data())[0], 'dropped').toBe(facts.dropped);
      expect((await swaps.data())[0], 'swaps').toBe(facts.swaps);
      tf.dispose([indices, dropped, swaps]);
    });
    tf.dispose([scores, cotangent, mask ?? []]);
  });
});
