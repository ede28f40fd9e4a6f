/** Gates: how much each chosen expert's output counts. */
import { checkShape, checkValue, defineOp, SpectraError } from '@spectra/tensor';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { tensor2d, zeros } from '@tensorflow/tfjs-core';
import { gateBackward, gateForward } from './kernels/reference/gate-weights.ts';
import { gateBackwardWasm, gateForwardWasm } from './kernels/wasm/gate-weights.ts';
import { gateBackwardOnDevice, gateForwardOnDevice } from './kernels/webgpu/gate-weights.ts';

/** `share`: renormalised scores; `log`: softmax of log scores; `raw`: the scores themselves. */
export type GateKind = 'share' | 'log' | 'raw';

export interface GateSizes {
  readonly tokens: number;
  readonly experts: number;
  readonly slots: number;
  readonly groups: number;
  readonly kind: GateKind;
}

type ForwardInputs = { readonly scores: Tensor; readonly indices: Tensor };
type BackwardInputs = ForwardInputs & { readonly weights: Tensor; readonly dy: Tensor };

const backward = defineOp<BackwardInputs, GateSizes>({
  name: 'GateWeightsGradient',
  readsBack: true,
  reference: ({ scores, indices, weights, dy }, sizes) => {
    const [s, i] = [scores.dataSync<'float32'>(), indices.dataSync<'int32'>()];
    const gradient = gateBackward(s, i, weights.dataSync<'float32'>(), dy.dataSync<'float32'>(), sizes);
    return [tensor2d(gradient, [sizes.tokens, sizes.experts])];
  },
  kernels: { wasm: gateBackwardWasm, webgpu: gateBackwardOnDevice },
});

const forward = defineOp<ForwardInputs, GateSizes>({
  name: 'GateWeights',
  readsBack: true,
  reference: ({ scores, indices }, sizes) => {
    const weights = gateForward(scores.dataSync<'float32'>(), indices.dataSync<'int32'>(), sizes);
    return [tensor2d(weights, [sizes.tokens, sizes.slots])];
  },
  kernels: { wasm: gateForwardWasm, webgpu: gateForwardOnDevice },
  gradient: ({ dys, inputs, outputs, attrs }) => {
    const { tokens, experts, slots, groups, kind } = attrs;
    const sizes = { tokens, experts, slots, groups, kind };
    return { scores: backward({ ...inputs, weights: outputs[0]!, dy: dys[0]! }, sizes)[0]! };
  },
});

export interface GateOptions {
  /** The scores are log probabilities: gates are their softmax over the held slots. */
  readonly log?: boolean;
  /** m: gates sum to 1 in each group of experts, to m in all. 1 by default. */
  readonly groups?: number;
  /** false: the gate is the score itself, as in Switch (Fedus 2021) and expert choice (Zhou 2022). true by default. */
  readonly normalise?: boolean;
}

/**
 * Gate weights of the chosen experts, [N,slots] float32.
 *
 * `scores` [N,E] float32 and `indices` [N,slots] int32 (−1: no expert, weight 0). A token's scores are renormalised
 * over its held slots, with equal shares where all of them are 0; with `log` they are a softmax of the log scores.
 * The gradient flows to `scores`, exactly (0 through equal shares). The caller owns the result.
 *
 * Errors: `SHAPE`; `VALUE` for groups that do not divide E, and for `log` without `normalise`.
 */
export function gateWeights(scores: Tensor2D, indices: Tensor2D, options: GateOptions = {}): Tensor2D {
  checkShape(scores.shape, [-1, -1], 'gateWeights scores');
  const [tokens, experts] = scores.shape;
  checkShape(indices.shape, [tokens, -1], 'gateWeights indices');
  if (scores.dtype !== 'float32' || indices.dtype !== 'int32') {
    throw new SpectraError('SHAPE', {
      message: `scores must be float32 and indices int32, got ${scores.dtype} and ${indices.dtype}.`,
      where: 'gateWeights',
    });
  }
  const { log = false, groups = 1, normalise = true } = options;
  checkValue(
    Number.isInteger(groups) && groups >= 1 && experts % groups === 0,
    `${experts} experts cannot be split into ${groups} groups.`,
    'gateWeights',
  );
  checkValue(normalise || !log, 'log scores are no gates: they need normalise.', 'gateWeights');
  if (tokens === 0) return zeros([0, indices.shape[1]]) as Tensor2D;
  const kind = log ? 'log' : normalise ? 'share' : 'raw';
  const [weights] = forward({ scores, indices }, { tokens, experts, slots: indices.shape[1], groups, kind });
  return weights as Tensor2D;
}
