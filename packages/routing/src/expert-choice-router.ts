/** Each expert takes its best tokens (Zhou 2022). */
import { checkValue, noGrad, type Parameter, SpectraError, stopGradient } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { ema } from './averages.ts';
import { expertLoad } from './expert-load.ts';
import { gateWeights } from './gate-weights.ts';
import type { LinearGateOptions } from './linear-gate.ts';
import { gateInput, gateParameter, gateProbabilities, tidyRouting } from './linear-gate.ts';
import type { HostStatistics, RouteContext, Router, RouterState, Routing } from './router.ts';
import { checkRouterState } from './router-state.ts';
import { selectQuota } from './select-quota.ts';
import { selectTopK } from './select-top-k.ts';
import { capacity, liveRows } from './selection.ts';

/**
 * Scores that are equal to their threshold but for rounding pass it: a backend's softmax may end a few ulps below the
 * 1/E of equal logits, and a single expert's below 1.
 */
const WITHIN_ROUNDING = 1 - 1e-6;

export interface ExpertChoiceOptions extends LinearGateOptions {
  /** An expert takes ⌈capacityFactor·N·k/E⌉ tokens, so that a token has capacityFactor·k on average; 1 by default. */
  readonly capacityFactor?: number;
  /** ρ of the thresholds' moving average; 0.99 by default. */
  readonly rho?: number;
}

/**
 * P = softmax(x·Wᵀ); in `batch` mode each expert takes the cap = min(N, ⌈capacityFactor·N·k/E⌉) tokens with the highest
 * P_te (ties: the lowest token). A token may be taken by any number of experts from none to E, so it has E slots:
 * its experts by falling score, then −1, which is what `Routing` asks for. Gates are the scores themselves. Balanced
 * by construction and not causal: whether an expert takes a token depends on the tokens after it.
 *
 * The causal substitute, for `potentials` and `none`: expert e takes every token with P_te ≥ θ_e, but for rounding, θ_e
 * being the moving average over earlier steps of e's cap-th highest score (the state `threshold`; 1/E before any step):
 * Expert Threshold routing (Sun et al. 2026). Loads are then equal on average only.
 */
export class ExpertChoiceRouter implements Router {
  readonly kind = 'expert-choice';
  readonly experts: number;
  readonly slots: number;
  /** [E,H]. */
  readonly gate: Parameter;
  private readonly k: number;
  private readonly capacityFactor: number;
  private readonly rho: number;
  private threshold: Float32Array;
  private steps = 0;

  constructor(options: ExpertChoiceOptions) {
    this.gate = gateParameter(options, 'ExpertChoiceRouter');
    this.experts = options.experts;
    this.slots = options.experts;
    this.k = options.k;
    this.capacityFactor = options.capacityFactor ?? 1;
    this.rho = options.rho ?? 0.99;
    checkValue(
      Number.isFinite(this.capacityFactor) && this.capacityFactor > 0,
      `capacityFactor must be a positive number, got ${this.capacityFactor}.`,
      'ExpertChoiceRouter',
    );
    this.threshold = new Float32Array(this.experts).fill(1 / this.experts);
  }

  parameters(): Parameter[] {
    return [this.gate];
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    return tidyRouting(() => {
      const input = gateInput(this.gate, x, context, 'ExpertChoiceRouter');
      const probabilities = gateProbabilities(input);
      const indices = this.select(probabilities, input.mask, context);
      const tokens = probabilities.shape[0];
      return {
        indices,
        weights: gateWeights(probabilities, indices, { normalise: false }),
        probabilities,
        load: expertLoad(indices, this.experts),
        loss: tf.scalar(0),
        losses: {},
        statistics: context.training
          ? {
              probabilities: stopGradient(probabilities),
              mask: noGrad(() => input.mask?.clone() ?? tf.ones([tokens])),
            }
          : {},
        expertVectors: tf.clone(this.gate.variable) as Tensor2D,
      };
    });
  }

  private select(probabilities: Tensor2D, mask: Tensor1D | undefined, context: RouteContext): Tensor2D {
    const options = mask === undefined ? {} : { mask };
    if (context.balance === 'batch') {
      // a token may hold every expert, so only the experts' capacities bind: each keeps its best cap tokens
      return selectQuota(probabilities, this.experts, (this.capacityFactor * this.k) / this.experts, options)
        .indices;
    }
    const atLeast = tf.tensor1d(this.threshold.map(threshold => threshold * WITHIN_ROUNDING));
    return selectTopK(probabilities, this.experts, { ...options, atLeast });
  }

  /** Moves the thresholds towards each expert's cap-th highest score over all tokens of the step. */
  commit(statistics: readonly HostStatistics[], rho = this.rho): void {
    const columns: number[][] = Array.from({ length: this.experts }, () => []);
    for (const { probabilities, mask } of statistics) {
      if (probabilities === undefined || mask === undefined) {
        throw new SpectraError('VALUE', {
          message: 'statistics need probabilities and mask.',
          where: this.kind,
        });
      }
      for (const t of liveRows(mask.data, mask.data.length)) {
        columns.forEach((column, e) => {
          column.push(probabilities.data[t * this.experts + e]!);
        });
      }
    }
    const tokens = columns[0]!.length;
    if (tokens === 0) return;
    const cap = capacity(this.capacityFactor, tokens, this.k, this.experts);
    const found = columns.map(column => Float32Array.from(column).sort()[tokens - cap]!);
    this.threshold = ema(this.steps === 0 ? undefined : this.threshold, found, rho);
    this.steps++;
  }

  /** `threshold` [E], and `steps` [1], the number of commits it was made of. */
  state(): RouterState {
    return {
      threshold: { shape: [this.experts], data: this.threshold.slice() },
      steps: { shape: [1], data: Float32Array.of(this.steps) },
    };
  }

  loadState(state: RouterState): void {
    checkRouterState(state, { threshold: [this.experts], steps: [1] }, this.kind);
    this.threshold = Float32Array.from(state.threshold!.data);
    this.steps = state.steps!.data[0]!;
  }
}
