/** Unit vectors and what is needed to differentiate through them. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/** Vectors shorter than this have no direction: 0, with gradient 0. */
const SHORTEST = 1e-6;

export interface UnitVectors {
  /** v/‖v‖ over the last axis. */
  readonly unit: Tensor;
  /** 1/‖v‖, kept; 0 where there is no direction. */
  readonly inverse: Tensor;
}

/** The unit vectors of `rows`, or `rows` themselves where they are unit vectors already. */
export function unitVectors(rows: Tensor, normalise: boolean): UnitVectors {
  if (!normalise) return { unit: rows, inverse: tf.scalar(1) };
  const squared = tf.sum(tf.square(rows), -1, true);
  const inverse = tf.where(
    tf.greaterEqual(squared, SHORTEST * SHORTEST),
    tf.rsqrt(squared),
    tf.zerosLike(squared),
  );
  return { unit: tf.mul(rows, inverse), inverse };
}

/** The cotangent of the rows from that of their unit vectors: what lies along them is lost. */
export function alongUnit({ unit, inverse }: UnitVectors, dUnit: Tensor): Tensor {
  return tf.mul(inverse, tf.sub(dUnit, tf.mul(unit, tf.sum(tf.mul(unit, dUnit), -1, true))));
}
