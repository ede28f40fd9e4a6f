/** The loss that drives the experts' Gram matrix to the identity: Frobenius and spectral (SRIP, Bansal et al. 2018). */
import { checkShape, defineOp } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { spectralSquaredWasm } from './kernels/wasm/leading-vector.ts';
import { spectralSquaredOnDevice } from './kernels/webgpu/spectral-squared.ts';

export interface OrthogonalityLoss {
  /** ‖G − I‖²_F. */
  readonly frobenius: Scalar;
  /** ‖G − I‖²_2, the largest squared eigenvalue. */
  readonly spectral: Scalar;
  /** 0.7·frobenius + 0.3·spectral. */
  readonly loss: Scalar;
}

/**
 * Squarings of A²: the power A⁸¹⁹². Two eigenvalues whose sizes differ by a relative δ leave an error of at most δ·(1 − δ)⁸¹⁹²,
 * 5e-5 of the value for the worst δ; a gap above 0.1 % leaves none.
 */
const SQUARINGS = 12;

const atLeast = (value: Tensor) => tf.maximum(value, 1e-30);

/** [E,1] unit vector of A's largest |eigenvalue|, 0 where A = 0: the longest column of A² squared again and again. */
function leadingVector(A: Tensor2D): Tensor2D {
  // squares, as A has eigenvalues of both signs; rescaled, as powers leave float32's range
  const rescaled = (M: Tensor2D): Tensor2D => tf.div(M, atLeast(tf.max(tf.abs(M))));
  const unit = (v: Tensor): Tensor2D => tf.div(v, atLeast(tf.sqrt(tf.sum(tf.square(v)))));
  const squared = rescaled(tf.matMul(rescaled(A), rescaled(A), true, false));
  if (A.shape[0] === 1) return unit(squared); // tfjs has no oneHot of depth 1
  let power = squared;
  for (let i = 0; i < SQUARINGS; i++) power = rescaled(tf.matMul(power, power, true, false));
  const longest = tf.oneHot(tf.argMax(tf.sum(tf.square(power), 0)), A.shape[0]);
  const column = tf.matMul(power, tf.reshape(tf.cast(longest, 'float32'), [-1, 1])) as Tensor2D;
  return unit(tf.matMul(squared, unit(column)));
}

/** ‖Av‖² of a symmetric A with its leading vector v, which is a constant to the gradient 2 (Av) vᵀ. */
const spectralSquared = defineOp<{ A: Tensor2D }, object>({
  name: 'SpectralSquared',
  reference: ({ A }) => {
    const v = leadingVector(A);
    const image = tf.matMul(A, v);
    return [tf.sum(tf.square(image)), v, image];
  },
  kernels: {
    wasm: (inputs, _, call) => spectralSquaredWasm(inputs, SQUARINGS, call),
    webgpu: ({ A }, _, backend) => spectralSquaredOnDevice(backend, A, SQUARINGS),
  },
  gradient: ({ dys, outputs }) => {
    const [, v, image] = outputs as [Scalar, Tensor2D, Tensor2D];
    return { A: tf.mul(tf.matMul(image, v, false, true), tf.mul(dys[0]!, 2)) as Tensor2D };
  },
});

/**
 * The orthogonality terms of a Gram matrix [E,E] (`gramMatrix`), unweighted scalars. Differentiable; the spectral term's
 * gradient goes through ‖Av‖² only, not through v. The caller owns the three.
 */
export function orthogonalityLoss(gram: Tensor2D): OrthogonalityLoss {
  checkShape(gram.shape, [-1, gram.shape[0] ?? -1], 'orthogonalityLoss');
  return tf.tidy(() => {
    const A = tf.sub(gram, tf.eye(gram.shape[0])) as Tensor2D;
    const frobenius = tf.sum(tf.square(A)) as Scalar;
    const spectral = spectralSquared({ A }, {})[0] as Scalar;
    return { frobenius, spectral, loss: tf.add(tf.mul(frobenius, 0.7), tf.mul(spectral, 0.3)) as Scalar };
  });
}
