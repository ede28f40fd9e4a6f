/** Group-limited choice: a token looks for experts only in its best groups (DeepSeek-V2 and -V3, 2024). */
import { noGrad } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { gateWeights } from './gate-weights.ts';
import { selectTopK } from './select-top-k.ts';

/**
 * `scores` [N,E] in `groups` equal consecutive groups of experts; a group counts as much as its `counted` best
 * scores together (two in the paper), and all but the `kept` best groups of a token are closed: −∞, not 0, since scores with a bias may be
 * negative. Ties go to the first group. A constant; the caller owns the result.
 */
export function limitGroups(scores: Tensor2D, groups: number, kept: number, counted = 2): Tensor2D {
  const [tokens, experts] = scores.shape;
  const width = experts / groups;
  return noGrad(() =>
    tf.tidy(() => {
      const rows = tf.reshape(scores, [tokens * groups, width]) as Tensor2D;
      const best = gateWeights(rows, selectTopK(rows, Math.min(counted, width)), { normalise: false });
      const open = chosenMask(selectTopK(tf.reshape(tf.sum(best, 1), [tokens, groups]), kept), groups);
      const everywhere = tf.tile(tf.expandDims(open, 2), [1, 1, width]);
      return closeExperts(scores, tf.reshape(everywhere, [tokens, experts]));
    }),
  );
}

/** [N,E] bool: whether `indices` [N,k] (−1: none) name the expert. */
export function chosenMask(indices: Tensor2D, experts: number): Tensor2D {
  return tf.tidy(() => {
    const every = tf.range(0, experts, 1, 'int32');
    return tf.any(tf.equal(tf.expandDims(indices, 2), every), 1) as Tensor2D;
  });
}

/** The scores where `open`, −∞ elsewhere. */
export function closeExperts(scores: Tensor2D, open: Tensor2D): Tensor2D {
  return tf.where<tf.Tensor>(open, scores, tf.scalar(Number.NEGATIVE_INFINITY)) as Tensor2D;
}
