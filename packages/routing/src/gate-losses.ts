/** The losses of published routers, and how they add up. Each is a scalar that the caller owns. */
import { checkShape, logSumExp, noGrad, normalise } from '@spectra/tensor';
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { chosenMask } from './group-limit.ts';
import type { GateInput, TokenRows } from './linear-gate.ts';

/**
 * E·Σ_e f_e·P̄_e, f_e the share of dispatched slots and P̄_e the mean probability over tokens (Fedus 2021, equation 4):
 * 1 when even. The gradient flows through P̄ only.
 */
export function switchBalanceLoss(
  probabilities: Tensor2D,
  load: Tensor1D,
  { live }: Pick<TokenRows, 'live'>,
): Scalar {
  return tf.tidy(() => {
    const counts = tf.cast(load, 'float32');
    const share = tf.div(counts, tf.maximum(tf.sum(counts), 1));
    const mean = tf.div(tf.sum(probabilities, 0), live);
    return tf.mul<Scalar>(tf.sum(tf.mul(share, mean)), probabilities.shape[1]);
  });
}

/**
 * The same within each sequence, averaged over sequences (DeepSeek-V3, 2024, equations 17–20): Σ_e f_e·P̄_e with f_e =
 * E/(k·T)·(tokens of the sequence that have e among their k best), T its tokens. Only rows of [B,S] that hold a token
 * count.
 *
 * @param best [N,k] int32 each token's best experts by its scores alone; a constant
 * @param probabilities [N,E] scores as shares of 1, 0 at padding
 */
export function sequenceBalanceLoss(
  probabilities: Tensor2D,
  best: Tensor2D,
  { batch, positions, mask }: Pick<TokenRows, 'batch' | 'positions' | 'mask'>,
): Scalar {
  const [tokens, experts] = probabilities.shape;
  checkShape(best.shape, [tokens, -1], 'sequenceBalanceLoss best');
  return tf.tidy(() => {
    const perSequence = (rows: tf.Tensor): Tensor2D =>
      tf.sum(tf.reshape(rows, [batch, positions, experts]), 1) as Tensor2D;
    const live = mask ?? (tf.ones([tokens]) as Tensor1D);
    const length = tf.sum(tf.reshape(live, [batch, positions]), 1, true);
    const divisor = tf.maximum(length, 1);
    const frequency = noGrad(() => {
      const counts = perSequence(tf.cast(chosenMask(best, experts), 'float32'));
      return tf.div<Tensor2D>(tf.mul(counts, experts / best.shape[1]), divisor);
    });
    const sum = tf.sum(tf.mul(frequency, tf.div(perSequence(probabilities), divisor)));
    return tf.div(sum, tf.maximum(tf.sum(tf.cast(tf.greater(length, 0), 'float32')), 1)) as Scalar;
  });
}

/** Mean over tokens of the squared log-sum-exp of the logits (Zoph 2022, equation 5). */
export function routerZLoss({ logits, mask, live }: Pick<GateInput, 'logits' | 'mask' | 'live'>): Scalar {
  return tf.tidy(() => {
    const squared = tf.square(logSumExp(logits));
    return tf.div(tf.sum(mask === undefined ? squared : tf.mul(squared, mask)), live) as Scalar;
  });
}

/** How a gate's rows are drawn apart. */
export const GATE_ORTHOGONALITY = ['simbal', 'ernie'] as const;
export type GateOrthogonality = (typeof GATE_ORTHOGONALITY)[number];

/**
 * How far the rows of a gate [E,H] are from orthogonal. `simbal`: Σ|W·Wᵀ − I| over all pairs, lengths included (Omi et
 * al. 2025, "Load Balancing Mixture of Experts with Similarity Preserving Routers"). `ernie`: the mean over pairs of
 * (Ŵ·Ŵᵀ − I)², Ŵ the normalised rows (ERNIE 4.5 technical report, 2025, router orthogonalization loss).
 */
export function gateOrthogonalityLoss(gate: Tensor2D, form: GateOrthogonality): Scalar {
  return tf.tidy(() => {
    const rows = form === 'ernie' ? (normalise(gate) as Tensor2D) : gate;
    const apart = tf.sub(tf.matMul(rows, rows, false, true), tf.eye(gate.shape[0]));
    return (form === 'ernie' ? tf.mean(tf.square(apart)) : tf.sum(tf.abs(apart))) as Scalar;
  });
}

/** Σ weight·loss by name; a term of weight 0 is left out, so that it costs no gradient. The caller owns the scalar. */
export function weightedSum<Name extends string>(
  losses: { readonly [N in Name]?: Scalar },
  weights: Readonly<Record<Name, number>>,
): Scalar {
  return tf.tidy(() => {
    const terms = (Object.entries(losses) as [Name, Scalar][])
      .filter(([name]) => weights[name] !== 0)
      .map(([name, loss]) => tf.mul(loss, weights[name]) as Scalar);
    return terms.length === 0 ? tf.scalar(0) : tf.addN(terms);
  });
}
