/** Softmax cross-entropy on logits. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape, SpectraError } from '../errors.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { crossEntropyGradOnDevice, crossEntropyOnDevice } from '../kernels/webgpu/cross-entropy.ts';

type Inputs = { logits: Tensor; targets: Tensor; weights: Tensor };

const op = defineOp<Inputs, object>({
  name: 'CrossEntropy',
  reference: ({ logits, targets, weights }) => {
    const peak = logits.max(1, true);
    const normaliser = logits.sub(peak).exp().sum(1, true).log().add(peak).squeeze([1]);
    const hot = isTarget(targets, logits.shape[1]!);
    const chosen = tf.where(hot, logits, tf.zerosLike(logits)).sum(1);
    const losses = normaliser.sub(chosen).mul(weights);
    return [tf.where(counted(hot, weights), losses, tf.zerosLike(losses)), normaliser];
  },
  kernels: {
    wasm: ({ logits, targets, weights }, _, call) => {
      const [rows, width] = logits.shape as [number, number];
      const [loss, normaliser] = [call.output([rows]), call.output([rows])];
      tensorKernels(call.backend).crossEntropy(
        call.address(logits),
        call.address(targets),
        call.address(weights),
        call.address(loss),
        call.address(normaliser),
        rows,
        width,
      );
      return [loss, normaliser];
    },
    webgpu: (inputs, _, backend) => crossEntropyOnDevice(backend, inputs),
  },
  gradient: ({ dys: [dy], inputs, outputs: [, normaliser] }) => ({
    logits: gradOp({ ...inputs, normaliser: normaliser!, dy: dy! }, {})[0]!,
  }),
});

const gradOp = defineOp<Inputs & { normaliser: Tensor; dy: Tensor }, object>({
  name: 'CrossEntropyGrad',
  reference: ({ logits, targets, weights, normaliser, dy }) => {
    const hot = isTarget(targets, logits.shape[1]!);
    const slopes = logits.sub(normaliser.expandDims(1)).exp().sub(tf.cast(hot, 'float32'));
    const all = slopes.mul(dy.mul(weights).expandDims(1));
    return [tf.where(tf.broadcastTo(counted(hot, weights).expandDims(1), all.shape), all, tf.zerosLike(all))];
  },
  kernels: {
    wasm: ({ logits, targets, weights, normaliser, dy }, _, call) => {
      const [rows, width] = logits.shape as [number, number];
      const out = call.output(logits.shape);
      tensorKernels(call.backend).crossEntropyGrad(
        call.address(logits),
        call.address(targets),
        call.address(weights),
        call.address(normaliser),
        call.address(dy),
        call.address(out),
        rows,
        width,
      );
      return [out];
    },
    webgpu: (inputs, _, backend) => crossEntropyGradOnDevice(backend, inputs),
  },
});

/** [N,V] bool; compared as float32, exact below 2^24. */
function isTarget(targets: Tensor, width: number): Tensor {
  return tf.equal(tf.range(0, width).expandDims(0), tf.cast(targets, 'float32').expandDims(1));
}

/** [N] bool: the rows that have a target and a weight. */
function counted(hot: Tensor, weights: Tensor): Tensor {
  return tf.logicalAnd(tf.greater(tf.sum(tf.cast(hot, 'float32'), 1), 0), tf.notEqual(weights, 0));
}

/**
 * logits [N,V] float32, targets [N] int32, weights [N] float32 (a constant) → [N] weight · cross-entropy in nats.
 * Rows of weight 0 or with a target outside [0, V) give 0 and no gradient, whatever their logits. Stable for any
 * finite logits; the gradient weight·(softmax − onehot) reaches the logits only. The caller owns the result.
 *
 * @throws SHAPE for targets or weights of another shape or dtype
 */
export function crossEntropy(logits: Tensor2D, targets: Tensor1D, weights: Tensor1D): Tensor1D {
  checkShape(logits.shape, [-1, -1], 'crossEntropy logits');
  checkShape(targets.shape, [logits.shape[0]], 'crossEntropy targets');
  checkShape(weights.shape, [logits.shape[0]], 'crossEntropy weights');
  if (targets.dtype !== 'int32') {
    throw new SpectraError('SHAPE', {
      message: `needs int32 targets, got ${targets.dtype}.`,
      where: 'crossEntropy',
    });
  }
  const [loss, normaliser] = op({ logits, targets, weights }, {}) as [Tensor1D, Tensor1D];
  normaliser.dispose();
  return loss;
}
