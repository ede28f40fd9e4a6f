/** The training objective: mean cross-entropy of the next token plus what the routers add. */
import type { Balance, Routing } from '@spectra/routing';
import { checkShape, crossEntropy, tidied } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { DecoderModel } from './decoder-model.ts';

export interface LossInput {
  /** [B,S] int32 */
  readonly inputIds: tf.Tensor2D;
  /** [B,S] int32, what should follow each input token. */
  readonly targets: tf.Tensor2D;
  /** [B,S] float32 weight of each target, 0 where there is none; by default the mask, or 1. */
  readonly weights?: tf.Tensor2D | undefined;
  /** As in `ForwardInput`. */
  readonly mask?: tf.Tensor2D | undefined;
  readonly documents?: tf.Tensor2D | undefined;
  readonly positions?: tf.Tensor2D | undefined;
  /** `batch` by default: the training rule. */
  readonly balance?: Balance | undefined;
  /** Whether routers make losses and statistics; true by default. */
  readonly training?: boolean | undefined;
  /** Optimizer steps done; 0 by default. */
  readonly step?: number | undefined;
  /** As in `ForwardInput`. */
  readonly embeddingNoise?: tf.Tensor3D | undefined;
  /** Whether to return what the routers read; false by default. */
  readonly layerOutputs?: boolean | undefined;
}

/** All tensors belong to the caller (inside a `tidy`, to the tidy). */
export interface LossOutput {
  /** taskLoss + routerLoss: what to differentiate. */
  readonly loss: tf.Scalar;
  /** Σ weight · cross-entropy / Σ weight, in nats per target; 0 where all weights are 0. */
  readonly taskLoss: tf.Scalar;
  /** Sum of the routers' weighted losses over layers. */
  readonly routerLoss: tf.Scalar;
  /** [N] weight · cross-entropy of each target, in nats; N = B·S. */
  readonly tokenLosses: tf.Tensor1D;
  /** Σ weight: the number of targets. */
  readonly tokens: tf.Scalar;
  /** The decision of each mixture-of-experts layer, from below. */
  readonly routings: readonly Routing[];
  /** Per mixture-of-experts layer [N,H]; empty unless asked for. */
  readonly routerInputs: readonly tf.Tensor2D[];
}

/** Forward pass and loss of one micro-batch; synchronous and differentiable, changes no state. */
export function languageModelLoss(model: DecoderModel, input: LossInput): LossOutput {
  const { targets, weights, balance = 'batch', training = true, ...rest } = input;
  const [batch, length] = input.inputIds.shape;
  checkShape(targets.shape, [batch, length], 'languageModelLoss targets');
  if (weights !== undefined) checkShape(weights.shape, [batch, length], 'languageModelLoss weights');
  return tidied(() => {
    const { logits, routings, routerLoss, routerInputs } = model.forward({ ...rest, balance, training });
    const count = batch * length;
    const weight = tf.reshape(weights ?? input.mask ?? tf.ones([batch, length]), [count]) as tf.Tensor1D;
    const flat = tf.reshape(logits, [count, -1]) as tf.Tensor2D;
    const tokenLosses = crossEntropy(flat, tf.reshape(targets, [count]) as tf.Tensor1D, weight);
    const tokens = tf.sum(weight) as tf.Scalar;
    const taskLoss = tf.div(tf.sum(tokenLosses), tf.maximum(tokens, 1e-8)) as tf.Scalar;
    return {
      loss: tf.add(taskLoss, routerLoss) as tf.Scalar,
      taskLoss,
      routerLoss,
      tokenLosses,
      tokens,
      routings,
      routerInputs,
    };
  });
}
