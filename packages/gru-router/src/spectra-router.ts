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
import { checkValue, floatMask, noGrad, type Parameter, taping, tidied } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { CausalGram } from './causal-gram.ts';
import { causalRouteOp } from './causal-route-op.ts';
import { entropyLoss, type LossTerms, warmup, weightedLoss, zLoss } from './losses.ts';
import { type ResolvedOptions, resolveOptions, type SpectraRouterOptions } from './options.ts';
import { costOfScores, type OsrCost, routerCost } from './osr-cost.ts';
import type { SpectraRouterParameters } from './parameters.ts';
import {
  comparesLogs,
  type Plan,
  type PlanContext,
  pricedPlan,
  transportPlan,
  transportPotentials,
} from './plan.ts';
import { checkRouteInput } from './route-input.ts';
import { SpectraState } from './router-state.ts';
import { meanSpeciality } from './speciality.ts';
import { STATISTICS } from './statistics.ts';

export class SpectraRouter implements Router {
  readonly kind = 'spectra';
  readonly experts: number;
  readonly slots: number;
  readonly options: ResolvedOptions;
  private readonly learned: SpectraRouterParameters;
  private readonly layer: number;
  private readonly current: SpectraState;
  private readonly gram: CausalGram;

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
    this.gram = new CausalGram(this.current, this.options);
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
    checkRouteInput(x, context, this.options);
    return tidied(() => {
      const told = context.mask === undefined ? context : { ...context, mask: floatMask(context.mask) };
      return this.decode(x, told) ?? this.compose(x, told);
    });
  }

  /** A causal route that no gradient is wanted of, as one op; undefined for what that op does not know. */
  private decode(x: Tensor3D, context: RouteContext): Routing | undefined {
    const { balance, training, mask, documentStart, below, cache: initial } = context;
    const { recurrence } = this.options;
    const gru = this.learned.recurrence.overPositions();
    const projections = this.learned.projections();
    const [B, S] = x.shape;
    if (training || balance === 'batch' || taping() || B * S === 0) return undefined;
    if (gru === undefined || projections === undefined) return undefined;
    const inputs = { x, below: recurrence === 'grid' ? below : undefined, initial, mask, documentStart };
    const composed = () => {
      const { indices, weights, probabilities, load, expertVectors, carry, cache } = this.compose(x, context);
      return [indices, weights, probabilities, load, expertVectors!, carry ?? cache!.clone(), cache!];
    };
    const [indices, weights, probabilities, load, mean, output, state] = causalRouteOp(
      { ...inputs, ...gru, ...projections },
      {
        ...this.options,
        epsilon: this.epsilon,
        logScores: comparesLogs(this.epsilon),
        gram: () => this.gram.values(),
        price: balance === 'none' ? undefined : this.price(),
        composed,
      },
    ) as [Tensor2D, Tensor2D, Tensor2D, Tensor1D, Tensor2D, Tensor3D, Tensor2D];
    return {
      indices,
      weights,
      probabilities,
      load,
      expertVectors: mean,
      loss: tf.scalar(0),
      losses: {},
      statistics: {},
      cache: state,
      ...(recurrence === 'grid' ? { carry: output } : {}),
    };
  }

  /** The route of operations that have gradients. */
  private compose(x: Tensor3D, context: RouteContext): Routing {
    const { hidden: H, experts, groups, lossWeights, orthogonalityWarmup } = this.options;
    const [B, S] = x.shape;
    return tidied(() => {
      const live = context.mask === undefined ? undefined : (tf.reshape(context.mask, [B * S]) as Tensor1D);
      const { output, carry, cache } = this.learned.recurrence.run(x, context, this.layer);
      const routing = this.learned.routingRows(tf.reshape(output, [B * S, -1]) as Tensor2D);
      const expressions = this.learned.expressionRows(tf.reshape(x, [B * S, H]) as Tensor2D);
      const causal = context.balance !== 'batch';
      const causalGram = causal || context.training ? noGrad(() => this.gram.tensor()) : undefined;
      const osr = routerCost(routing, expressions, {
        ...this.options,
        mask: live,
        gram: causal ? causalGram : undefined,
        normalise: true,
        speciality: context.training,
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

      const z = () => zLoss(osr.cost, this.epsilon, live, groups);
      const losses: LossTerms = {
        entropy: entropyLoss(plan.probabilities, live, groups),
        orthogonality: orthogonalityLoss(causal ? gramMatrix(osr.mean) : osr.gram).loss,
        speciality: meanSpeciality(osr.speciality, experts, live),
        z: lossWeights.z === 0 ? noGrad(z) : z(),
      };
      const loss = weightedLoss(losses, lossWeights, warmup(context.step, orthogonalityWarmup));
      const own = noGrad(() => this.statistics(osr, load, live, causalGram!));
      return { ...decision, loss, losses, statistics: { ...own, ...plan.statistics } };
    });
  }

  commit(statistics: readonly HostStatistics[], rho?: number): void {
    this.current.commit(statistics, rho);
  }

  state(): RouterState {
    return this.current.save();
  }

  loadState(state: RouterState): void {
    this.current.load(state);
  }

  private plan(cost: Tensor2D, mask: Tensor1D | undefined, context: RouteContext): Plan {
    const { options, epsilon } = this;
    const start = options.warmStart ? tf.tensor1d(this.current.potentials) : undefined;
    const inForce: PlanContext = { options, epsilon, mask, start };
    if (context.balance === 'batch') return transportPlan(cost, inForce);
    const plan = pricedPlan(cost, this.priceOf(context), inForce);
    if (!context.training || options.price === 'assignment') return plan;
    // that price averages potentials, so it wants them in every mode
    return { ...plan, statistics: { [STATISTICS.potentials]: transportPotentials(cost, inForce) } };
  }

  /** γ [E] of a causal mode. */
  private priceOf({ balance, training }: RouteContext): Tensor1D | undefined {
    return balance === 'none' ? undefined : tf.tensor1d(this.price(training));
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

  /** What every mode tells `commit` of a micro-batch; constants. */
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
        ? { [STATISTICS.causalCost]: costOfScores(osr.scores, gram, this.options) }
        : {}),
      ...(mask === undefined ? {} : { [STATISTICS.live]: mask.clone() }),
    };
  }
}
