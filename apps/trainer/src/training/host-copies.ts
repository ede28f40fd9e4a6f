/** Arrays on the host that the native backend has copied. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Collects garbage where tensors made of host arrays become TensorFlow's own at their first use: the arrays, as large as
 * the weights that were loaded, lie outside of V8's heap, so that it sees no reason to hurry.
 */
export function releaseHostCopies(): void {
  if (tf.getBackend() !== 'tensorflow') return;
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
