/** The cost of a token at an expert from its domain scores, with the gradient worked out by hand. */
import { defineOp } from '@spectra/tensor';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { kernels } from './kernels/wasm/module.ts';
import { costOnDevice } from './kernels/webgpu/router-cost.ts';

export interface OsrWeights {
  /** λ, the weight of the repulsion. */
  readonly lambda: number;
  /** β, the weight of the hinge. */
  readonly beta: number;
  /** τ, the alignment from which the hinge acts. */
  readonly tau: number;
}

/** scores [N,E], gram [E,E] */
type CostInputs = { scores: Tensor; gram: Tensor };

/**
 * C_te = −s_te + λ·Σ_{i≠e} |s_ti|·G_ie² + β·relu(|s_te| − τ)².
 *
 * The gradient is written out because tfjs gives |s| the slope −1 at s = 0, where it is 0 here.
 */
export const osrCostOp = defineOp<CostInputs, OsrWeights>({
  name: 'OsrCost',
  reference: ({ scores, gram }, { lambda, beta, tau }) => {
    const size = tf.abs(scores) as Tensor2D;
    const repulsion = tf.matMul(size, tf.square(offDiagonal(gram)));
    const hinge = tf.square(tf.relu(tf.sub(size, tau)));
    return [tf.add(tf.sub(tf.mul(repulsion, lambda), scores), tf.mul(hinge, beta))];
  },
  kernels: {
    wasm: ({ scores, gram }, { lambda, beta, tau }, call) => {
      const [N, E] = scores.shape as [number, number];
      const module = kernels(call.backend);
      const cost = call.output([N, E]);
      const work = call.scratch(module.costOfScoresWork(E));
      const [from, to] = [call.address(scores), call.address(cost)];
      module.costOfScores(N, E, from, call.address(gram), lambda, beta, tau, to, work);
      return [cost];
    },
    webgpu: ({ scores, gram }, weights, backend) =>
      scores.shape[0] === 0 ? undefined : [costOnDevice(backend, scores, gram, weights)],
  },
  gradient: ({ dys: [dy], inputs, attrs }) => osrCostGradient({ ...inputs, dy: dy! }, attrs),
});

/** The cotangents of scores and Gram matrix from that of the cost. */
export function osrCostGradient(
  { scores, gram, dy }: CostInputs & { dy: Tensor },
  { lambda, beta, tau }: OsrWeights,
): CostInputs {
  const size = tf.abs(scores) as Tensor2D;
  const off = offDiagonal(gram);
  const repulsion = tf.matMul(dy as Tensor2D, tf.square(off), false, true);
  const hinge = tf.mul(tf.mul(dy, tf.relu(tf.sub(size, tau))), 2 * beta);
  return {
    scores: tf.sub(tf.mul(tf.sign(scores), tf.add(tf.mul(repulsion, lambda), hinge)), dy),
    gram: tf.mul(tf.mul(tf.matMul(size, dy as Tensor2D, true, false), off), 2 * lambda),
  };
}

/** G without its diagonal: an expert does not repel itself. */
function offDiagonal(gram: Tensor): Tensor2D {
  return tf.mul(gram, tf.sub(1, tf.eye(gram.shape[0]!))) as Tensor2D;
}
