/** `tf.tidy` for results whose type tfjs cannot name: it keeps every tensor nested anywhere in what `f` returns. */
import * as tf from '@tensorflow/tfjs-core';

export function tidied<T>(f: () => T): T {
  return tf.tidy(f as () => tf.TensorContainer) as T;
}
