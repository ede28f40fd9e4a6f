/** Matrices kept near orthogonal: Newton–Schulz iteration (Björck & Bowie 1971) and the loss on the Gram matrix. */
import { checkShape, checkValue, noGrad } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** The smaller of W Wᵀ and Wᵀ W. */
function smallerGram(W: Tensor2D): Tensor2D {
  return W.shape[0] <= W.shape[1] ? tf.matMul(W, W, false, true) : tf.matMul(W, W, true, false);
}

/**
 * The nearest semi-orthogonal matrix to W [rows,cols], approached by `steps` of Y ← 1.5 Y − 0.5 Y Yᵀ Y from
 * W/√‖A‖_∞, A the smaller Gram matrix and ‖A‖_∞ ≥ σ_max² its largest absolute row sum. 5 steps do for a W that stays
 * near orthogonal. Differentiable; no gradient through the scale. 0 for W = 0. The caller owns the result.
 */
export function newtonSchulz(W: Tensor2D, steps = 5): Tensor2D {
  checkShape(W.shape, [-1, -1], 'newtonSchulz');
  checkValue(Number.isInteger(steps) && steps >= 0, `steps must be 0, 1, …, got ${steps}.`, 'newtonSchulz');
  const wide = W.shape[0] <= W.shape[1];
  return tf.tidy(() => {
    const scale = noGrad(() => {
      const bound = tf.max(tf.sum(tf.abs(smallerGram(W)), 1));
      return tf.rsqrt(tf.where(tf.greater(bound, 0), bound, tf.onesLike(bound)));
    });
    let Y: Tensor2D = tf.mul(W, scale);
    for (let i = 0; i < steps; i++) {
      const gram = smallerGram(Y);
      const cubed: Tensor = wide ? tf.matMul(gram, Y) : tf.matMul(Y, gram);
      Y = tf.sub(tf.mul(Y, 1.5), tf.mul(cubed, 0.5));
    }
    return Y;
  });
}

/** ‖A − I‖²_F of the smaller Gram matrix A of W: 0 where W is semi-orthogonal. Differentiable; the caller owns it. */
export function orthogonalLoss(W: Tensor2D): Scalar {
  checkShape(W.shape, [-1, -1], 'orthogonalLoss');
  return tf.tidy(() => {
    const gram = smallerGram(W);
    return tf.sum(tf.square(tf.sub(gram, tf.eye(gram.shape[0])))) as Scalar;
  });
}
