/** The router's losses: entropy and z, and how they and the others add up. */
import { weightedSum } from '@spectra/routing';
import { checkValue, defineOp, logSumExp } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { kernels } from './kernels/wasm/module.ts';
import { rowEntropyGradOnDevice, rowEntropyOnDevice } from './kernels/webgpu/row-entropy.ts';
import { tokenMean } from './token-mean.ts';

/** P [N,E] → H(P_t) [N], with 0·log 0 = 0 of zero gradient. */
const entropyOp = defineOp<{ p: Tensor }, object>({
  name: 'RowEntropy',
  reference: ({ p }) => [tf.neg(tf.sum(tf.mul(p, tf.log(positive(p))), 1))],
  kernels: {
    wasm: ({ p }, _, call) => {
      const [N, E] = p.shape as [number, number];
      const out = call.output([N]);
      kernels(call.backend).rowEntropy(N, E, call.address(p), call.address(out));
      return [out];
    },
    webgpu: ({ p }, _, backend) => rowEntropyOnDevice(backend, p),
  },
  gradient: ({ dys: [dy], inputs: { p } }) => ({ p: entropyGradOp({ p, dy: dy! }, {})[0]! }),
});

const entropyGradOp = defineOp<{ p: Tensor; dy: Tensor }, object>({
  name: 'RowEntropyGrad',
  reference: ({ p, dy }) => {
    const slope = tf.mul(tf.add(tf.log(positive(p)), 1), tf.step(p));
    return [tf.neg(tf.mul(slope, tf.expandDims(dy, 1)))];
  },
  kernels: {
    wasm: ({ p, dy }, _, call) => {
      const [N, E] = p.shape as [number, number];
      const dp = call.output([N, E]);
      const [from, given] = [call.address(p), call.address(dy)];
      kernels(call.backend).rowEntropyGradient(N, E, from, given, call.address(dp));
      return [dp];
    },
    webgpu: ({ p, dy }, _, backend) => rowEntropyGradOnDevice(backend, p, dy),
  },
});

/** p, with 1 in the place of 0: its logarithm is finite, and 0 there. */
function positive(p: Tensor): Tensor {
  return tf.add(p, tf.sub(1, tf.step(p)));
}

/**
 * mean_t H(P_t) in nats: a token's mean over its groups, then the mean over tokens.
 *
 * @param probabilities P [N,E] float32; every group's row sums to 1, rows of padding are 0 or masked.
 * @param mask [N], or any shape of N elements, float32 0/1; padding does not count.
 * @param groups m equal consecutive groups of experts.
 * @returns a scalar the caller owns.
 */
export function entropyLoss(probabilities: Tensor2D, mask?: Tensor, groups = 1): Scalar {
  checkGroups(probabilities.shape[1], groups, 'entropyLoss');
  return tf.tidy(() => {
    const perToken = entropyOp({ p: probabilities }, {})[0] as Tensor1D;
    return tf.div(tokenMean(perToken, mask), groups) as Scalar;
  });
}

/**
 * mean_t (logsumexp_e(−C_te/ε))²: a token's mean over its groups, then the mean over tokens.
 *
 * @param cost C [N,E] float32.
 * @param epsilon ε in force, in units of the cost.
 */
export function zLoss(cost: Tensor2D, epsilon: number, mask?: Tensor, groups = 1): Scalar {
  const [N, E] = cost.shape;
  checkGroups(E, groups, 'zLoss');
  checkValue(epsilon > 0, `epsilon must be positive, got ${epsilon}.`, 'zLoss');
  return tf.tidy(() => {
    const logits = tf.reshape(tf.div(cost, -epsilon), [N, groups, E / groups]);
    const perToken = tf.mean(tf.square(logSumExp(logits, 2)), 1) as Tensor1D;
    return tokenMean(perToken, mask);
  });
}

/** The weights of the terms beside the task's loss. */
export interface LossWeights {
  /** λ_H */
  readonly entropy: number;
  /** λ_O, warmed up. */
  readonly orthogonality: number;
  /** λ_S */
  readonly speciality: number;
  /** λ_Z */
  readonly z: number;
}

/** λ_H = 1e-3, λ_O = 0.03, λ_S = 0.01, λ_Z = 0. */
export const LOSS_WEIGHTS: LossWeights = { entropy: 1e-3, orthogonality: 0.03, speciality: 0.01, z: 0 };

export type LossTerms = { readonly [K in keyof LossWeights]: Scalar };

/** min(1, step/warmup): the orthogonality term's share at a step; 1 without a warm-up. */
export function warmup(step: number, steps: number): number {
  return steps <= 0 ? 1 : Math.min(1, step / steps);
}

/**
 * λ_H·entropy + λ_O·w·orthogonality + λ_S·speciality + λ_Z·z, w the warm-up's share. A term of weight 0 is left
 * out, so that it costs no gradient. The caller owns the scalar.
 */
export function weightedLoss(terms: LossTerms, weights: LossWeights, orthogonalityShare: number): Scalar {
  const factors: Record<keyof LossWeights, number> = {
    ...weights,
    orthogonality: weights.orthogonality * orthogonalityShare,
  };
  return weightedSum(terms, factors);
}

function checkGroups(experts: number, groups: number, where: string): void {
  checkValue(
    Number.isInteger(groups) && groups > 0 && experts % groups === 0,
    `${experts} experts do not split into ${groups} equal groups.`,
    where,
  );
}
