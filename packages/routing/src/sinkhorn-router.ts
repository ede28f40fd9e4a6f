/** Balanced assignment by Sinkhorn while training, plain top-k otherwise (Clark 2022, S-BASE; Megatron-LM's form). */
import { sinkhorn } from '@spectra/sinkhorn';
import { checkValue } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { GateInput, LinearGateOptions } from './linear-gate.ts';
import type { RouteContext } from './router.ts';
import { TopKRouter } from './top-k-router.ts';

export interface SinkhornRouterOptions extends LinearGateOptions {
  /** Divides the logits in the transport; 1 by default. */
  readonly temperature?: number;
  /** The most Sinkhorn steps; 30 by default. */
  readonly iterations?: number;
  /** Column error at which they stop (`sinkhorn`'s); 1e-3 by default. */
  readonly tolerance?: number;
  /** Coefficient of the z-loss; 0 by default. */
  readonly zLoss?: number;
}

/**
 * Gates are the sigmoid of the logit for k = 1 and the softmax for k ≥ 2, not renormalised. In `batch` mode the experts are
 * the k best of the entropic transport plan of the logits (tokens of mass 1, experts of equal mass), a constant; in the
 * causal modes the k best scores. The rounded plan is nearly, not exactly, balanced, and nothing balances the causal rule.
 * No balancing loss, no state.
 */
export class SinkhornRouter extends TopKRouter {
  override readonly kind = 's-base';
  private readonly temperature: number;
  private readonly iterations: number;
  private readonly tolerance: number;

  constructor({ temperature = 1, iterations = 30, tolerance = 1e-3, ...gate }: SinkhornRouterOptions) {
    super({ ...gate, scores: gate.k === 1 ? 'sigmoid' : 'softmax', normalise: false });
    checkValue(
      Number.isFinite(temperature) && temperature > 0,
      `temperature must be a positive number, got ${temperature}.`,
      'SinkhornRouter',
    );
    this.temperature = temperature;
    this.iterations = iterations;
    this.tolerance = tolerance;
  }

  protected override choose(scores: Tensor2D, input: GateInput, context: RouteContext): Tensor2D {
    if (context.balance !== 'batch') return super.choose(scores, input, context);
    const { temperature: epsilon, iterations, tolerance } = this;
    const cost = tf.neg(input.logits);
    const { g } = sinkhorn(cost, { epsilon, iterations, tolerance, mask: input.mask });
    // a row of log P but for its own potential: P underflows where the logits differ by a hundred temperatures
    const rank = tf.sub<Tensor2D>(g, tf.div(cost, epsilon));
    return this.ranked(this.best(rank, input), scores, input);
  }
}
