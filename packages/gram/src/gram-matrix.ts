/** How alike the experts are: G = Ê Êᵀ of unit vectors, and one number for it. */
import { checkShape, normalise } from '@spectra/tensor';
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** [E,E] cosines of the rows of `mean` [E,D]; a row shorter than 1e-6 counts as 0. Differentiable; the caller owns it. */
export function gramMatrix(mean: Tensor2D): Tensor2D {
  checkShape(mean.shape, [-1, -1], 'gramMatrix');
  return tf.tidy(() => {
    const unit = normalise(mean);
    return tf.matMul(unit, unit, false, true) as Tensor2D;
  });
}

/** ‖G − I‖_F. */
function distance(gram: Tensor2D): Scalar {
  return tf.sqrt(tf.sum(tf.square(tf.sub(gram, tf.eye(gram.shape[0]))))) as Scalar;
}

function square(gram: Tensor2D, where: string): number {
  checkShape(gram.shape, [-1, gram.shape[0] ?? -1], where);
  return gram.shape[0];
}

/**
 * 1 − ‖G−I‖_F/√(E(E−1)) of a Gram matrix [E,E]: 0 for identical or anti-parallel experts, 1 for orthonormal ones and for a
 * single one. A metric: no gradient where G = I. The caller owns it.
 */
export function gramOrthogonality(gram: Tensor2D): Scalar {
  const E = square(gram, 'gramOrthogonality');
  if (E === 1) return tf.scalar(1);
  return tf.tidy(() => tf.sub(1, tf.div(distance(gram), Math.sqrt(E * (E - 1)))) as Scalar);
}

/** 1 − ‖G−I‖_F/(E√2), the form of the method's reference material: 0.29–0.5 for identical experts; 1 for E = 1. */
export function gramOrthogonalityReference(gram: Tensor2D): Scalar {
  const E = square(gram, 'gramOrthogonalityReference');
  if (E === 1) return tf.scalar(1);
  return tf.tidy(() => tf.sub(1, tf.div(distance(gram), E * Math.SQRT2)) as Scalar);
}

/** The most `gramOrthogonality` can be for E vectors in D dimensions (Welch's bound): below 1 where E > D. */
export function gramOrthogonalityCeiling(experts: number, dim: number): number {
  return experts > dim ? 1 - Math.sqrt((experts - dim) / (dim * (experts - 1))) : 1;
}
