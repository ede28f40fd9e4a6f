/**
 * The SPECTRA router: a recurrent context gives routing vectors, an orthogonal projector gives expressions, their
 * agreement gives a repulsive cost, and optimal transport (or a price learned from earlier batches) gives the route.
 */
import { gramMatrix, orthogonalityLoss } from '@spectra/gram';
import {
  expertLoad,
  gateWeights,
  type HostStatistics,
  type RouteContext,
  type Router,
  type RouterState,
  type Routing,
  selectQuota,
  selectTopK,
} from '@spectra/routing';
import { adaptiveEpsilon } from '@spectra/sinkhorn';
import { checkShape, checkValue, noGrad, type Parameter } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { gruDepth, gruGrid, gruSequence } from './gru.ts';
import { entropyLoss, type LossTerms, warmup, weightedLoss, zLoss } from './losses.ts';
import { type ResolvedOptions, resolveOptions, type SpectraRouterOptions } from './options.ts';
import { costOfScores, type OsrCost, osrCost } from './osr-cost.ts';
import type { SpectraRouterParameters } from './parameters.ts';
import { type Plan, type PlanContext, pricedPlan, transportPlan, transportPotentials } from './plan.ts';
import { SpectraState } from './router-state.ts';
import { specialityLoss } from './speciality.ts';
import { STATISTICS } from './statistics.ts';

export class SpectraRouter implements Router {
  readonly kind = 'spectra';
  readonly experts: number;
  readonly slots: number;
  readonly options: ResolvedOptions;
  private readonly learned: SpectraRouterParameters;
  private readonly layer: number;
  private readonly current: SpectraState;

  /**
   * @param learned may be shared by the routers of several layers; it is not disposed with one of them.
   * @param options those that describe the parameters are taken from `learned`.
   * @param layer which row of a depth embedding is this router's.
   * @throws VALUE
   */
  constructor(
    learned: SpectraRouterParameters,
    options: Omit<SpectraRouterOptions, keyof SpectraRouterParameters['shape']>,
    layer = 0,
  ) {
    this.options = resolveOptions({ ...options, ...learned.shape });
    this.learned = learned;
    this.layer = layer;
    this.experts = this.options.experts;
    this.slots = this.options.k;
    this.current = new SpectraState(this.options);
    const layers = learned.shape.depthEmbedding;
    checkValue(
      Number.isInteger(layer) && layer >= 0 && (layers === undefined || layer < layers),
      `layer ${layer} has no row in a depth embedding of ${layers}.`,
      'SpectraRouter',
    );
  }

  parameters(): Parameter[] {
    return this.learned.parameters();
  }

  /** ε in force: constant, or following the load's variation. */
  get epsilon(): number {
    const { adaptiveTemperature, epsilon, cvMax } = this.options;
    return adaptiveTemperature ? adaptiveEpsilon(epsilon, this.current.cv?.[0], cvMax) : epsilon;
  }

  /**
   * The price γ [E] of `potentials` in units of the cost, a copy: the averaged one (evaluation, decoding), or the
   * current one (training).
   */
  price(training = false): Float32Array {
    const { price, averagePotentials } = this.current;
    const found =
      this.options.price === 'sinkhorn' ? averagePotentials : training ? price.price : price.average;
    return found === undefined ? new Float32Array(this.experts) : found.slice();
  }

  route(x: Tensor3D, context: RouteContext): Routing {
    const { hidden: H, experts, groups, lossWeights, orthogonalityWarmup } = this.options;
    checkShape(x.shape, [-1, -1, H], 'SpectraRouter.route x');
    const [B, S] = x.shape;
    if (context.mask !== undefined) checkShape(context.mask.shape, [B, S], 'SpectraRouter.route mask');
    return tf.tidy(() => {
      const live = context.mask === undefined ? undefined : (tf.reshape(context.mask, [B * S]) as Tensor1D);
      const { output, carry, cache } = this.recur(x, context);
      const routing = this.learned.routingVectors(output);
      const expressions = this.learned.expressions(tf.reshape(x, [B * S, H]) as Tensor2D);
      const causal = context.balance !== 'batch';
      const causalGram = causal || context.training ? this.causalGram() : undefined;
      const osr = osrCost(routing, expressions, {
        ...this.options,
        mask: live,
        gram: causal ? causalGram : undefined,
      });
      const plan = this.plan(osr.cost, live, context);
      const indices = this.select(plan.scores, live, causal);
      const load = expertLoad(indices, experts);
      const decision = {
        indices,
        weights: this.gates(plan.probabilities, osr.cost, indices),
        probabilities: plan.probabilities,
        load,
        expertVectors: osr.mean,
        ...(carry === undefined ? {} : { carry }),
        ...(cache === undefined ? {} : { cache }),
      };
      if (!context.training) return { ...decision, loss: tf.scalar(0), losses: {}, statistics: {} };

      const losses: LossTerms = {
        entropy: entropyLoss(plan.probabilities, live, groups),
        orthogonality: orthogonalityLoss(causal ? gramMatrix(osr.mean) : osr.gram).loss,
        speciality: specialityLoss(routing, live),
        z: zLoss(osr.cost, this.epsilon, live, groups),
      };
      const loss = weightedLoss(losses, lossWeights, warmup(context.step, orthogonalityWarmup));
      const statistics = { ...this.statistics(osr, load, live, causalGram!), ...plan.statistics };
      return { ...decision, loss, losses, statistics };
    });
  }

  commit(statistics: readonly HostStatistics[]): void {
    this.current.commit(statistics);
  }

  state(): RouterState {
    return this.current.save();
  }

  loadState(state: RouterState): void {
    this.current.load(state);
  }

  /** The context [N,G] of every token, and what the layer above and the next call need. */
  private recur(
    x: Tensor3D,
    { mask, documentStart, below, cache }: RouteContext,
  ): { readonly output: Tensor2D; readonly carry?: Tensor3D; readonly cache?: Tensor2D } {
    const { recurrence, hidden: H, stateSize: G } = this.options;
    const input = this.learned.atDepth(x, this.layer);
    const rows = (output: Tensor) => tf.reshape(output, [-1, G]) as Tensor2D;
    if (recurrence === 'none') {
      return { output: this.learned.pointwise(tf.reshape(input, [-1, H]) as Tensor2D) };
    }
    const weights = this.learned.gruWeights();
    if (recurrence === 'depth') {
      const output = gruDepth(input, weights, { below, mask });
      return { output: rows(output), carry: output };
    }
    const options = { initial: cache, mask, documentStart };
    const { output, state } =
      recurrence === 'grid'
        ? gruGrid(input, weights, { ...options, below })
        : gruSequence(input, weights, options);
    return { output: rows(output), cache: state, ...(recurrence === 'grid' ? { carry: output } : {}) };
  }

  /** G [E,E] of earlier batches, I before any. */
  private causalGram(): Tensor2D {
    const { experts, routerDim } = this.options;
    const { mean } = this.current;
    if (mean === undefined) return tf.eye(experts);
    return gramMatrix(tf.tensor2d(mean, [experts, routerDim]));
  }

  private plan(cost: Tensor2D, mask: Tensor1D | undefined, context: RouteContext): Plan {
    const { options, epsilon } = this;
    const start = options.warmStart ? tf.tensor1d(this.current.potentials) : undefined;
    const inForce: PlanContext = { options, epsilon, mask, start };
    if (context.balance === 'batch') return transportPlan(cost, inForce);
    const price = context.balance === 'none' ? undefined : tf.tensor1d(this.price(context.training));
    const plan = pricedPlan(cost, price, inForce);
    if (!context.training || options.price === 'assignment') return plan;
    // that price averages potentials, so it wants them in every mode
    return { ...plan, statistics: { [STATISTICS.potentials]: transportPotentials(cost, inForce) } };
  }

  private select(scores: Tensor2D, mask: Tensor1D | undefined, causal: boolean): Tensor2D {
    const { k, alpha, groups, selection } = this.options;
    const options = { groups, ...(mask === undefined ? {} : { mask }) };
    if (causal || selection === 'top-k') return selectTopK(scores, k, options);
    return selectQuota(scores, k, alpha, options).indices;
  }

  private gates(probabilities: Tensor2D, cost: Tensor2D, indices: Tensor2D): Tensor2D {
    const { gates, groups } = this.options;
    if (gates === 'plan') return gateWeights(probabilities, indices, { groups });
    return gateWeights(tf.div(cost, -this.epsilon) as Tensor2D, indices, { groups, log: true });
  }

  /** What every mode tells `commit` of a micro-batch. */
  private statistics(
    osr: OsrCost,
    load: Tensor1D,
    mask: Tensor1D | undefined,
    gram: Tensor2D,
  ): Record<string, Tensor> {
    const tokens: Scalar = mask === undefined ? tf.scalar(osr.scores.shape[0]) : tf.sum(mask);
    return {
      [STATISTICS.tokens]: tokens,
      [STATISTICS.expressions]: tf.mul(osr.mean, tokens),
      [STATISTICS.load]: load.clone(),
      ...(this.options.price === 'assignment'
        ? { [STATISTICS.causalCost]: noGrad(() => costOfScores(osr.scores, gram, this.options)) }
        : {}),
      ...(mask === undefined ? {} : { [STATISTICS.live]: mask.clone() }),
    };
  }
}
