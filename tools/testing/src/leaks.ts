/** Tensor accounting. */
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/**
 * Runs `f`, disposes every tensor in what it returns (also nested in arrays and objects) and fails unless
 * `tf.memory().numTensors` is what it was before.
 */
export async function noLeaks(f: () => unknown): Promise<void> {
  const before = tf.memory().numTensors;
  const result = await f();
  tf.dispose(result as tf.TensorContainer);
  expect(tf.memory().numTensors - before, 'tensors left behind').toBe(0);
}
