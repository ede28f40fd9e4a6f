/** Softmax over experts, each token takes its k best: Switch (Fedus 2021) for k = 1, Mixtral (Jiang 2024) for k ≥ 2. */
import type { LinearGateOptions } from './linear-gate.ts';
import { TopKRouter } from './top-k-router.ts';

export interface SoftmaxTopKOptions extends LinearGateOptions {
  /** Renormalise the k probabilities to sum 1 (Mixtral), or use them as they are (Switch); by default for k ≥ 2. */
  readonly normalise?: boolean;
  /** Coefficient of the load-balancing loss; 0.01 by default. */
  readonly balanceLoss?: number;
  /** Coefficient of the z-loss; 0 by default, 0.001 in ST-MoE (Zoph 2022). */
  readonly zLoss?: number;
}

/**
 * P = softmax(x·Wᵀ), the k most probable experts. Each token is routed by itself, so it is causal in every mode. Nothing
 * is dropped: there is no capacity. Losses: `balance` and `z`. No state.
 */
export class SoftmaxTopKRouter extends TopKRouter {
  override readonly kind = 'softmax-topk';

  constructor(options: SoftmaxTopKOptions) {
    super({ balanceLoss: 0.01, ...options });
  }
}
