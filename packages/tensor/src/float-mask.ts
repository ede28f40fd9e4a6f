import * as tf from '@tensorflow/tfjs-core';

/**
 * A mask in float32, which kernels read byte by byte: of another dtype converted, for the caller to own, else the very same
 * tensor. Call it inside a `tidy`.
 */
export function floatMask<T extends tf.Tensor | undefined>(mask: T): T {
  return mask === undefined || mask.dtype === 'float32' ? mask : (tf.cast(mask, 'float32') as T);
}
