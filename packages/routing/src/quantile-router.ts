/** Balance by quantiles: a price per expert solved anew from each step's scores (Su 2026, Quantile Balancing). */
import { checkValue, SpectraError } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ema } from './averages.ts';
import type { GateInput, LinearGateOptions } from './linear-gate.ts';
import type { HostStatistics, RouterState } from './router.ts';
import { checkRouterState } from './router-state.ts';
import { liveRows } from './selection.ts';
import { TopKRouter } from './top-k-router.ts';

export interface QuantileRouterOptions extends LinearGateOptions {
  /** Share of the old price that stays at a commit; 0 by default. */
  readonly momentum?: number;
  /** As `TopKRouterOptions`. */
  readonly normalise?: boolean;
  /** Coefficient of the z-loss; 0 by default. */
  readonly zLoss?: number;
}

/**
 * The k experts with the largest x·Wᵀ − β; gates are the softmax of the logits at the chosen. Each token is routed by
 * itself, so it is causal in every mode; no balancing loss.
 *
 * `commit` is one alternation of the assignment's dual over all tokens of the step: c_t is the (k+1)-th largest of s_t − β,
 * the score that a token's experts must beat, and β_e becomes the value that exactly ⌊N·k/E⌋ of the s_te − c_t exceed;
 * then β is centred. A step of fewer than E/k tokens leaves it.
 */
export class QuantileRouter extends TopKRouter {
  override readonly kind = 'quantile';
  private readonly momentum: number;
  private beta: Float32Array;

  constructor({ momentum = 0, ...gate }: QuantileRouterOptions) {
    super(gate);
    checkValue(momentum >= 0 && momentum < 1, `momentum is in [0, 1), got ${momentum}.`, 'QuantileRouter');
    this.momentum = momentum;
    this.beta = new Float32Array(this.experts);
  }

  protected override choose(scores: Tensor2D, input: GateInput): Tensor2D {
    const priced = tf.sub<Tensor2D>(input.logits, tf.tensor1d(this.beta));
    return this.ranked(this.best(priced, input), scores, input);
  }

  protected override statistics(_load: Tensor1D, { logits, mask }: GateInput): Record<string, Tensor> {
    return { logits: tf.clone(logits), ...(mask === undefined ? {} : { mask: tf.clone(mask) }) };
  }

  override commit(statistics: readonly HostStatistics[], rho = this.momentum): void {
    const { experts, slots: k } = this;
    if (k === experts) return;
    const margins: number[][] = Array.from({ length: experts }, () => []);
    for (const { logits, mask } of statistics) {
      if (logits === undefined) {
        throw new SpectraError('VALUE', { message: 'statistics need logits.', where: this.kind });
      }
      for (const t of liveRows(mask?.data, logits.data.length / experts)) {
        const row = Float64Array.from(logits.data.subarray(t * experts, (t + 1) * experts));
        const cutoff = row.map((s, e) => s - this.beta[e]!).sort()[experts - 1 - k]!;
        for (let e = 0; e < experts; e++) margins[e]!.push(row[e]! - cutoff);
      }
    }
    const tokens = margins[0]!.length;
    const share = Math.floor((tokens * k) / experts);
    if (share < 1) return;
    const found = margins.map(column => Float64Array.from(column).sort()[tokens - 1 - share]!);
    const moved = ema(this.beta, found, rho);
    const mean = moved.reduce((a, b) => a + b, 0) / experts;
    this.beta = moved.map(value => value - mean);
  }

  /** `beta` [E], in units of the logits. */
  override state(): RouterState {
    return { beta: { shape: [this.experts], data: this.beta.slice() } };
  }

  override loadState(state: RouterState): void {
    checkRouterState(state, { beta: [this.experts] }, this.kind);
    this.beta = Float32Array.from(state.beta!.data);
  }
}
