/** Potentials that survive a change of temperature. */
import type { Tensor1D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { SinkhornResult } from './sinkhorn.ts';

/**
 * ε·g [E] in units of the cost, for `start` of a later run at any ε; 0 for closed experts. `epsilon` is the one `result`
 * was computed with. The caller owns it.
 */
export function warmStart(result: Pick<SinkhornResult, 'g'>, epsilon: number): Tensor1D {
  return tf.tidy(() => {
    const open = tf.greater(result.g, -1e29);
    return tf.where(open, tf.mul(result.g, epsilon), tf.zerosLike(result.g)) as Tensor1D;
  });
}
