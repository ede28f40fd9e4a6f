/**
 * The three recurrences of the router over a layer's hidden states. All are strictly causal over positions, and
 * weights are PyTorch's (`torch.nn.GRU`), so that they move between the two.
 */
import { checkShape, checkValue } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { gruOp } from './gru-op.ts';

/** PyTorch's layout, float32: rows stacked r, z, n. */
export interface GruWeights {
  /** [3G,in] */
  readonly weightIh: Tensor2D;
  /** [3G,G] */
  readonly weightHh: Tensor2D;
  /** [3G] */
  readonly biasIh: Tensor1D;
  /** [3G] */
  readonly biasHh: Tensor1D;
}

export interface GruSequenceOptions {
  /** [B,G] the state before the first position; zeros by default. */
  readonly initial?: Tensor2D | undefined;
  /** [B,S] float32 0/1. Padding (0) passes the state on unchanged and outputs 0. */
  readonly mask?: Tensor2D | undefined;
  /** [B,S] float32 0/1. The state restarts from 0 at a 1: packed documents do not see each other. */
  readonly documentStart?: Tensor2D | undefined;
}

export type GruOutput = {
  /** [B,S,G] the state after each position, 0 at padding. */
  readonly output: Tensor3D;
  /** [B,G] the state after the last position: hand it to the next call as `initial` to continue. */
  readonly state: Tensor2D;
};

/**
 * A GRU over the positions of one layer (`torch.nn.GRU`, one direction, `batch_first`).
 *
 * @param x [B,S,in] float32.
 * @returns tensors the caller owns; differentiable in x, all weights and `initial`.
 * @throws SHAPE where a shape does not fit.
 */
export function gruSequence(x: Tensor3D, weights: GruWeights, options: GruSequenceOptions = {}): GruOutput {
  const G = stateSize(weights, x.shape[2]);
  const [B, S] = x.shape;
  checkValue(S > 0, 'a sequence needs at least one position.', 'gruSequence x');
  const { initial, mask, documentStart } = options;
  if (initial !== undefined) checkShape(initial.shape, [B, G], 'gruSequence initial');
  if (mask !== undefined) checkShape(mask.shape, [B, S], 'gruSequence mask');
  if (documentStart !== undefined) checkShape(documentStart.shape, [B, S], 'gruSequence documentStart');
  return tf.tidy(() => {
    const states = recurrence(project(x, weights), weights, initial, mask, documentStart);
    const state = tf.reshape(tf.slice(states, [0, S - 1, 0], [-1, 1, -1]), [B, G]) as Tensor2D;
    return { output: hide(states, mask), state };
  });
}

/**
 * One cell step per layer: each token's state comes from the same token one layer below, so that all tokens are
 * computed at once.
 *
 * @param x [B,S,H] float32.
 * @param below [B,S,G] what this function returned one layer below; zeros if left out.
 * @param mask [B,S] float32 0/1; padding outputs 0.
 * @returns [B,S,G], owned by the caller.
 */
export function gruDepth(
  x: Tensor3D,
  weights: GruWeights,
  options: { readonly below?: Tensor3D | undefined; readonly mask?: Tensor2D | undefined } = {},
): Tensor3D {
  const G = stateSize(weights, x.shape[2]);
  const [B, S] = x.shape;
  const { below, mask } = options;
  if (below !== undefined) checkShape(below.shape, [B, S, G], 'gruDepth below');
  if (mask !== undefined) checkShape(mask.shape, [B, S], 'gruDepth mask');
  return tf.tidy(() => {
    const projected = tf.reshape(project(x, weights), [B * S, 1, 3 * G]) as Tensor3D;
    const initial = below === undefined ? undefined : (tf.reshape(below, [B * S, G]) as Tensor2D);
    const states = tf.reshape(recurrence(projected, weights, initial), [B, S, G]) as Tensor3D;
    return hide(states, mask);
  });
}

/**
 * A GRU over positions whose input is [x; h of the same token one layer below], of width H + G.
 *
 * @param x [B,S,H] float32.
 * @param below [B,S,G] the `output` of this function one layer below; zeros if left out.
 */
export function gruGrid(
  x: Tensor3D,
  weights: GruWeights,
  options: GruSequenceOptions & { readonly below?: Tensor3D | undefined } = {},
): GruOutput {
  const [B, S, H] = x.shape;
  const G = stateSize(weights, -1);
  checkShape(weights.weightIh.shape, [3 * G, H + G], 'gruGrid weightIh');
  const { below, ...rest } = options;
  if (below !== undefined) checkShape(below.shape, [B, S, G], 'gruGrid below');
  return tf.tidy(() => {
    if (below !== undefined) return gruSequence(tf.concat([x, below], 2), weights, rest);
    // columns that would meet zeros only
    const weightIh = tf.slice(weights.weightIh, [0, 0], [-1, H]);
    return gruSequence(x, { ...weights, weightIh }, rest);
  });
}

function stateSize(weights: GruWeights, width: number): number {
  const G = weights.weightHh.shape[1];
  checkShape(weights.weightHh.shape, [3 * G, G], 'GRU weightHh');
  checkShape(weights.weightIh.shape, [3 * G, width], 'GRU weightIh');
  checkShape(weights.biasIh.shape, [3 * G], 'GRU biasIh');
  checkShape(weights.biasHh.shape, [3 * G], 'GRU biasHh');
  return G;
}

/** All input projections in one product: [B,S,in] → [B,S,3G]. */
function project(x: Tensor3D, { weightIh, biasIh }: GruWeights): Tensor3D {
  const [B, S, width] = x.shape;
  const rows = tf.reshape(x, [B * S, width]) as Tensor2D;
  return tf.reshape(tf.add(tf.matMul(rows, weightIh, false, true), biasIh), [B, S, -1]) as Tensor3D;
}

function recurrence(
  projected: Tensor3D,
  { weightHh, biasHh }: GruWeights,
  initial?: Tensor2D,
  mask?: Tensor2D,
  documentStart?: Tensor2D,
): Tensor3D {
  const [states] = gruOp(
    {
      projected,
      weight: weightHh,
      bias: biasHh,
      initial: initial ?? tf.zeros([projected.shape[0], weightHh.shape[1]]),
      ...(mask === undefined ? {} : { mask }),
      ...(documentStart === undefined ? {} : { documentStart }),
    },
    {},
  );
  return states as Tensor3D;
}

function hide(states: Tensor3D, mask: Tensor2D | undefined): Tensor3D {
  return mask === undefined ? states : tf.mul(states, tf.expandDims(mask as Tensor, 2));
}
