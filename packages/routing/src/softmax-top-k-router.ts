/** Softmax over experts, each token takes its k best: Switch (Fedus 2021) for k = 1, Mixtral (Jiang 2024) for k ≥ 2. */
import type { Parameter } from '@spectra/tensor';
import type { Scalar, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expertLoad } from './expert-load.ts';
import { gateWeights } from './gate-weights.ts';
import type { GateInput, LinearGateOptions } from './linear-gate.ts';
import { gateInput, gateParameter, gateProbabilities, routerZLoss, tidyRouting } from './linear-gate.ts';
import type { RouteContext, Router, RouterState, Routing } from './router.ts';
import { checkRouterState } from './router-state.ts';
import { selectTopK } from './select-top-k.ts';

export interface SoftmaxTopKOptions extends LinearGateOptions {
  /** Renormalise the k probabilities to sum 1 (Mixtral; true by default), or use them as they are (Switch). */
  readonly normalise?: boolean;
  /** Coefficient of the load-balancing loss; 0.01 by default. */
  readonly balanceLoss?: number;
  /** Coefficient of the z-loss; 0 by default. */
  readonly zLoss?: number;
}

/**
 * P = softmax(x·Wᵀ), the k most probable experts. Each token is routed by itself, so it is causal in every mode. Its
 * losses are `balance`, E·Σ_e f_e·P̄_e with f_e the share of dispatched slots (a constant) and P̄_e the mean probability
 * (Fedus 2021, equation 4; 1 when even), and `z`. No state.
 */
export class SoftmaxTopKRouter implements Router {
  readonly kind = 'softmax-topk';
  readonly experts: number;
  readonly slots: number;
  /** [E,H]. */
  readonly gate: Parameter;
  private readonly normalise: boolean;
  private readonly balanceLoss: number;
  private readonly zLoss: number;

  constructor(options: SoftmaxTopKOptions) {
    this.gate = gateParameter(options, 'SoftmaxTopKRouter');
    this.experts = options.experts;
    this.slots = options.k;
    this.normalise = options.normalise ?? true;
    this.balanceLoss = options.balanceLoss ?? 0.01;
    this.zLoss = options.zLoss ?? 0;
  }

  parameters(): Parameter[] {
    return [this.gate];
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    return tidyRouting(() => {
      const input = gateInput(this.gate, x, context, 'SoftmaxTopKRouter');
      const probabilities = gateProbabilities(input);
      const options = input.mask === undefined ? {} : { mask: input.mask };
      const indices = selectTopK(probabilities, this.slots, options);
      const load = expertLoad(indices, this.experts);
      const losses = context.training
        ? { balance: switchBalanceLoss(probabilities, load, input), z: routerZLoss(input) }
        : undefined;
      const weighted =
        losses === undefined
          ? []
          : [[losses.balance, this.balanceLoss] as const, [losses.z, this.zLoss] as const];
      const terms = weighted
        .filter(([, factor]) => factor !== 0)
        .map(([value, factor]) => tf.mul(value, factor));
      const loss = terms.reduce((a, b) => tf.add(a, b), tf.scalar(0)) as Scalar;
      return {
        indices,
        weights: gateWeights(probabilities, indices, { normalise: this.normalise }),
        probabilities,
        load,
        loss,
        losses: losses ?? {},
        statistics: {},
        expertVectors: tf.clone(this.gate.variable) as Tensor2D,
      };
    });
  }

  /** Nothing to commit: the router has no state. */
  commit(): void {}

  state(): RouterState {
    return {};
  }

  loadState(state: RouterState): void {
    checkRouterState(state, {}, this.kind);
  }
}

/** E·Σ_e f_e·P̄_e over the tokens; the gradient flows through P̄ only. */
export function switchBalanceLoss(
  probabilities: Tensor2D,
  load: Tensor1D,
  { live }: Pick<GateInput, 'live'>,
): Scalar {
  return tf.tidy(() => {
    const counts = tf.cast(load, 'float32');
    const share = tf.div(counts, tf.maximum(tf.sum(counts), 1));
    const mean = tf.div(tf.sum(probabilities, 0), live);
    return tf.mul<Scalar>(tf.sum(tf.mul(share, mean)), probabilities.shape[1]);
  });
}
