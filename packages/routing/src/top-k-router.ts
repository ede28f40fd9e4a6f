/**
 * The linear-gate routers of published models, by their options: softmax (Mixtral, Qwen, OLMoE), sigmoid with a
 * correction bias that only counts in choosing (DeepSeek-V3, Kimi-K2, GLM-4.5, MiniMax-M2), raw scores (GPT-OSS).
 */
import { checkValue, noGrad, Parameter, SpectraError } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expertLoad } from './expert-load.ts';
import {
  gateOrthogonalityLoss,
  routerZLoss,
  sequenceBalanceLoss,
  switchBalanceLoss,
  weightedSum,
} from './gate-losses.ts';
import { gateWeights } from './gate-weights.ts';
import { chosenMask, closeExperts, limitGroups } from './group-limit.ts';
import type { GateInput } from './linear-gate.ts';
import { gateParameter, gateProbabilities, linearLogits, tidyRouting, tokenRows } from './linear-gate.ts';
import type { HostStatistics, RouteContext, Router, RouterState, Routing } from './router.ts';
import { checkRouterState } from './router-state.ts';
import { selectTopK } from './select-top-k.ts';
import { gatesSumToOne, type ResolvedTopKOptions, type TopKRouterOptions } from './top-k-options.ts';

const BIAS = 'correction_bias';

/**
 * s = score(x·Wᵀ + b) in float32; the k experts with the largest s + c, c the correction bias, in the groups that stay;
 * gates are s itself at the chosen, normalised and scaled. Each token is routed by itself: causal in every mode. Ties go
 * to the lowest expert. Slots are ordered by s, which is not the order of s + c.
 *
 * With a correction, `commit` balances without a loss (Wang et al. 2024): c_e rises by the rate where expert e had less
 * than the mean load of the step, and falls where it had more.
 *
 * Routers that only differ in how logits are made or experts chosen extend it.
 */
export class TopKRouter implements Router {
  readonly kind: string = 'topk';
  readonly experts: number;
  readonly slots: number;
  readonly options: ResolvedTopKOptions;
  /** [E,H], or [E,gateWidth] */
  readonly gate: Parameter;
  /** [E] */
  readonly bias: Parameter | undefined;
  private correction: Float32Array;

  constructor(options: TopKRouterOptions) {
    const where = 'TopKRouter';
    this.gate = gateParameter({ ...options, hidden: options.gateWidth ?? options.hidden }, where);
    this.options = {
      experts: options.experts,
      hidden: options.hidden,
      k: options.k,
      scores: options.scores ?? 'softmax',
      bias: options.bias ?? false,
      correction: options.correction ?? false,
      correctionRate: options.correctionRate ?? 0.001,
      groups: options.groups ?? 1,
      keptGroups: options.keptGroups ?? 1,
      groupTop: options.groupTop ?? 2,
      normalise: gatesSumToOne(options, options.k),
      scale: options.scale ?? 1,
      balanceLoss: options.balanceLoss ?? 0,
      sequenceLoss: options.sequenceLoss ?? 0,
      zLoss: options.zLoss ?? 0,
      orthogonalityLoss: options.orthogonalityLoss ?? 0,
      orthogonality: options.orthogonality ?? 'simbal',
    };
    const { experts, k, groups, keptGroups, scores, normalise } = this.options;
    checkValue(
      Number.isInteger(groups) && groups >= 1 && experts % groups === 0,
      `${experts} experts cannot be split into ${groups} groups.`,
      where,
    );
    checkValue(
      Number.isInteger(keptGroups) && keptGroups >= 1 && keptGroups <= groups,
      `${keptGroups} of ${groups} groups cannot be kept.`,
      where,
    );
    checkValue(
      (experts / groups) * keptGroups >= k,
      `k = ${k} is more than the ${(experts / groups) * keptGroups} experts of ${keptGroups} groups.`,
      where,
    );
    checkValue(normalise || scores !== 'raw', 'raw scores are no gates: they need normalise.', where);
    this.experts = experts;
    this.slots = k;
    this.bias = this.options.bias
      ? new Parameter(`${options.prefix ?? ''}gate.bias`, tf.zeros([experts]), { role: 'router' })
      : undefined;
    this.correction = new Float32Array(experts);
  }

  parameters(): Parameter[] {
    return this.bias === undefined ? [this.gate] : [this.gate, this.bias];
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    return tidyRouting(() => {
      const tokens = tokenRows(x, this.options.hidden, context, this.kind);
      const input = { ...tokens, logits: this.logits(tokens.rows) };
      const scores = this.scores(input.logits);
      const probabilities = this.probabilities(scores, input);
      const indices = noGrad(() => this.choose(scores, input, context));
      const load = expertLoad(indices, this.experts);
      const { normalise, scale, scores: kind } = this.options;
      const gates = gateWeights(scores, indices, kind === 'raw' ? { log: true } : { normalise });
      const decision = {
        indices,
        weights: scale === 1 ? gates : (tf.mul(gates, scale) as Tensor2D),
        probabilities,
        load,
        expertVectors: tf.clone(this.gate.variable) as Tensor2D,
      };
      if (!context.training) return { ...decision, loss: tf.scalar(0), losses: {}, statistics: {} };
      const losses = {
        balance: switchBalanceLoss(this.balancedShares(probabilities, input), load, input),
        z: routerZLoss(input),
        ...this.optionalLosses(scores, probabilities, input),
      };
      const { balanceLoss: balance, zLoss: z, sequenceLoss: sequence, orthogonalityLoss } = this.options;
      const weights = { balance, z, sequence, orthogonality: orthogonalityLoss };
      const statistics = noGrad(() => this.statistics(load, input));
      return { ...decision, loss: weightedSum(losses, weights), losses, statistics };
    });
  }

  commit(statistics: readonly HostStatistics[], _rho?: number): void {
    if (!this.options.correction) return;
    const load = new Float64Array(this.experts);
    for (const { load: counts } of statistics) {
      if (counts === undefined) {
        throw new SpectraError('VALUE', { message: 'statistics need load.', where: this.kind });
      }
      for (let e = 0; e < load.length; e++) load[e]! += counts.data[e]!;
    }
    const mean = load.reduce((a, b) => a + b, 0) / load.length;
    const { correctionRate } = this.options;
    this.correction = this.correction.map((c, e) => c + correctionRate * Math.sign(mean - load[e]!));
  }

  state(): RouterState {
    return this.options.correction
      ? { [BIAS]: { shape: [this.experts], data: this.correction.slice() } }
      : {};
  }

  loadState(state: RouterState): void {
    checkRouterState(state, this.options.correction ? { [BIAS]: [this.experts] } : {}, this.kind);
    const found = state[BIAS];
    if (found !== undefined) this.correction = Float32Array.from(found.data);
  }

  /** [N,E] of rows [N,H]. */
  protected logits(rows: Tensor2D): Tensor2D {
    const logits = linearLogits(rows, this.gate);
    return this.bias === undefined ? logits : tf.add(logits, this.bias.variable as Tensor);
  }

  private scores(logits: Tensor2D): Tensor2D {
    const { scores } = this.options;
    return scores === 'softmax' ? tf.softmax(logits) : scores === 'sigmoid' ? tf.sigmoid(logits) : logits;
  }

  /** The scores as shares of 1, 0 at padding. */
  private probabilities(scores: Tensor2D, input: GateInput): Tensor2D {
    if (this.options.scores !== 'sigmoid') return gateProbabilities(input);
    // sigmoids of far negative logits may all be 0 in float32; and the gradient divides by the square of their sum
    const shares = tf.div(scores, tf.maximum(tf.sum(scores, 1, true), 1e-18)) as Tensor2D;
    return input.mask === undefined ? shares : (tf.mul(shares, tf.expandDims(input.mask, 1)) as Tensor2D);
  }

  /** [N,E] what the balancing loss takes means of, 0 at padding: the probabilities themselves. */
  protected balancedShares(probabilities: Tensor2D, _input: GateInput): Tensor2D {
    return probabilities;
  }

  /** What `commit` needs of a micro-batch. */
  protected statistics(load: tf.Tensor1D, _input: GateInput): Record<string, Tensor> {
    return this.options.correction ? { load: tf.clone(load) } : {};
  }

  /** [N,k] the experts of each token by falling score; runs without a gradient. */
  protected choose(scores: Tensor2D, input: GateInput, _context: RouteContext): Tensor2D {
    const { groups, keptGroups, groupTop, correction } = this.options;
    const biased = correction ? tf.add<Tensor2D>(scores, tf.tensor1d(this.correction)) : scores;
    const open = keptGroups === groups ? biased : limitGroups(biased, groups, keptGroups, groupTop);
    const chosen = this.best(open, input);
    return correction ? this.ranked(chosen, scores, input) : chosen;
  }

  /** [N,k] each token's best. */
  protected best(scores: Tensor2D, { mask }: GateInput): Tensor2D {
    return selectTopK(scores, this.slots, mask === undefined ? {} : { mask });
  }

  /** The same experts by falling `scores`. */
  protected ranked(chosen: Tensor2D, scores: Tensor2D, input: GateInput): Tensor2D {
    return this.best(closeExperts(scores, chosenMask(chosen, this.experts)), input);
  }

  /** Those that cost something to compute, where they count. */
  private optionalLosses(
    scores: Tensor2D,
    probabilities: Tensor2D,
    input: GateInput,
  ): { sequence?: Scalar; orthogonality?: Scalar } {
    const { sequenceLoss, orthogonalityLoss, orthogonality } = this.options;
    const gate = this.gate.variable as unknown as Tensor2D;
    const best = () => noGrad(() => this.best(scores, input));
    return {
      ...(sequenceLoss === 0 ? {} : { sequence: sequenceBalanceLoss(probabilities, best(), input) }),
      ...(orthogonalityLoss === 0 ? {} : { orthogonality: gateOrthogonalityLoss(gate, orthogonality) }),
    };
  }
}
