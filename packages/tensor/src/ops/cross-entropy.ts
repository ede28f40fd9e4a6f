/** Softmax cross-entropy on logits. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape } from '../errors.ts';

const op = defineOp<{ logits: Tensor; targets: Tensor; weights: Tensor }, object>({
  name: 'CrossEntropy',
  reference: ({ logits, targets, weights }) => {
    const peak = logits.max(1, true);
    const normaliser = logits.sub(peak).exp().sum(1, true).log().add(peak);
    const hot = tf.oneHot(targets as Tensor1D, logits.shape[1]!).cast('float32');
    const chosen = logits.mul(hot).sum(1);
    return [normaliser.squeeze([1]).sub(chosen).mul(weights), normaliser];
  },
  gradient: ({ dys: [dy], inputs: { logits, targets, weights }, outputs: [, normaliser] }) => {
    const hot = tf.oneHot(targets as Tensor1D, logits.shape[1]!).cast('float32');
    return { logits: logits.sub(normaliser!).exp().sub(hot).mul(dy!.mul(weights).expandDims(1)) };
  },
});

/**
 * logits [N,V] float32, targets [N] int32 in [0, V), weights [N] float32 (a constant) → [N] weight · cross-entropy in
 * nats. Finite for any finite logits; the gradient softmax − onehot reaches the logits only. The caller owns the result.
 */
export function crossEntropy(logits: Tensor2D, targets: Tensor1D, weights: Tensor1D): Tensor1D {
  checkShape(targets.shape, [logits.shape[0]], 'crossEntropy targets');
  checkShape(weights.shape, [logits.shape[0]], 'crossEntropy weights');
  const [loss, normaliser] = op({ logits, targets, weights }, {}) as [Tensor1D, Tensor2D];
  normaliser.dispose();
  return loss;
}
