/**
 * The gradient of the iterations that were run, in plain tfjs ops. Each step is recomputed from its stored g, so memory
 * does not grow with the number of steps beyond those vectors.
 *
 * With M = −C/ε, A_i = softmax_e(M + g_{i−1}) and B_i = softmax_t(M + f_i) = exp(M + f_i + g_i)/b, one step back is
 *
 *     M̄ ← M̄ − B_i ḡ_i + A_i ⟨B_i, ḡ_i⟩_e        ḡ_{i−1} = Σ_t A_i ⟨B_i, ḡ_i⟩_e
 */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ProblemInputs, SinkhornAttrs } from './problem.ts';
import { columnLogSum, logSumExp, problemOf, readable } from './problem.ts';

export interface GradientInputs extends ProblemInputs {
  readonly plan: Tensor2D;
  readonly history: Tensor2D;
  readonly steps: Tensor;
  /** [N,E] the cotangent of the plan. */
  readonly cotangent: Tensor2D;
}

/** [[N,E]] the gradient with respect to the cost. */
export function gradientReference(inputs: GradientInputs, attrs: SinkhornAttrs): Tensor[] {
  const { cost, plan, history, steps, cotangent } = inputs;
  const [N, E] = cost.shape;
  const { groups: m, epsilon, tolerance } = attrs;
  const shape: [number, number, number] = [N, m, E / m];
  const problem = problemOf(inputs, attrs);
  const { x, live } = problem;
  const potential = (i: number) => tf.reshape(tf.slice(history, [i, 0], [1, E]), [1, m, E / m]);

  // the last row step: P is a row softmax of M + g
  const p = tf.reshape(plan, shape);
  const seen = tf.mul(p, tf.where(tf.greater(live, 0), tf.reshape(cotangent, shape), tf.zeros([1, 1, 1])));
  let total = tf.sub(seen, tf.mul(p, tf.sum(seen, 2, true)));
  let g = tf.sum(total, 0, true);

  const last = attrs.gradient === 'detached' ? 0 : stepsToUndo(steps, attrs);
  for (let i = last; i >= 1; i--) {
    const next = tf.tidy(() => {
      const logits = tf.add(x, potential(i - 1));
      const f = tf.neg(logSumExp(logits, 2));
      const a = tf.exp(tf.add(logits, f));
      // at most 0 for a token; padding, which the column sum leaves out, must not overflow
      const b = tf.mul(tf.exp(tf.minimum(tf.sub(tf.add(x, f), columnLogSum(problem, f)), 0)), live);
      const active = tolerance === undefined ? undefined : stepRan(steps, i, m);
      const pulled = tf.mul(b, active === undefined ? g : tf.mul(g, active));
      const back = tf.mul(a, tf.sum(pulled, 2, true));
      const before = tf.sum(back, 0, true);
      return {
        total: tf.add(tf.sub(total, pulled), back),
        g: active === undefined ? before : tf.add(before, tf.mul(g, tf.sub(1, active))),
      };
    });
    tf.dispose([total, g]);
    ({ total, g } = next);
  }
  return [tf.div(tf.reshape(total, [N, E]), -epsilon)];
}

/** How many steps to undo; where the device cannot be read, all of them (those frozen count for nothing). */
function stepsToUndo(steps: Tensor, { iterations, tolerance }: SinkhornAttrs): number {
  return tolerance !== undefined && readable() ? Math.max(...steps.dataSync()) : iterations;
}

/** [1,m,1] 1 where step i was taken, 0 where the group had already reached the tolerance. */
function stepRan(steps: Tensor, i: number, m: number): Tensor {
  return tf.reshape(tf.cast(tf.greaterEqual(steps, i), 'float32'), [1, m, 1]);
}
