/** Means over tokens that leave padding out. */
import { checkValue } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The mean of values [N] over the tokens that are not padding; 0 if there are none.
 *
 * @param mask any shape of N elements, float32 0/1.
 */
export function tokenMean(values: Tensor1D, mask?: Tensor): Scalar {
  const N = values.shape[0];
  if (mask === undefined) return tf.div(tf.sum(values), Math.max(1, N));
  checkValue(mask.size === N, `the mask has ${mask.size} elements for ${N} tokens.`, 'tokenMean');
  const live = tf.reshape(mask, [N]);
  return tf.div(tf.sum(tf.mul(values, live)), tf.maximum(tf.sum(live), 1)) as Scalar;
}
