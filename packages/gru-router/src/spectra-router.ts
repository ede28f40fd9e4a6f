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
import { adaptiveEpsilon, sinkhorn, warmStart } from '@spectra/sinkhorn';
import { checkShape, checkValue, noGrad, type Parameter } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { gruDepth, gruGrid, gruSequence } from './gru.ts';
import { entropyLoss, type LossTerms, warmup, weightedLoss, zLoss } from './losses.ts';
import { type ResolvedOptions, resolveOptions, type SpectraRouterOptions } from './options.ts';
import { costOfScores, type OsrCost, osrCost } from './osr-cost.ts';
import type { SpectraRouterParameters } from './parameters.ts';
import { SpectraState } from './router-state.ts';
import { specialityLoss } from './speciality.ts';
import { STATISTICS } from './statistics.ts';

/** Below this ε a probability may underflow; log probabilities are then what is compared. */
const LOG_SCORES_BELOW = 0.025;

/** What a rule made of the cost. */
interface Plan {
  /** P [N,E] */
  readonly probabilities: Tensor2D;
  /** What experts are chosen by: P or log P. */
  readonly scores: Tensor2D;
  /** What `commit` wants to know of it. */
  readonly statistics: Readonly<Record<string, Tensor>>;
}

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
      const plan = causal ? this.pricedPlan(osr.cost, live, context) : this.transportPlan(osr.cost, live);
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

  /** ε·g [E] of the last step, where Sinkhorn starts. */
  private start(): Tensor1D | undefined {
    return this.options.warmStart ? tf.tensor1d(this.current.potentials) : undefined;
  }

  /** Entropic transport over the batch: balanced, not causal. */
  private transportPlan(cost: Tensor2D, mask: Tensor1D | undefined): Plan {
    const { iterations, tolerance, groups, sinkhornGradient } = this.options;
    const { epsilon } = this;
    const result = sinkhorn(cost, {
      epsilon,
      iterations,
      tolerance,
      groups,
      mask,
      gradient: sinkhornGradient,
      start: this.start(),
    });
    const { plan, f, g, firstBad, columnError } = result;
    const logPlan = (): Tensor2D => {
      const perGroup = tf.add(tf.reshape(f, [-1, groups, 1]), tf.reshape(g, [1, groups, -1]));
      return tf.sub(tf.reshape(perGroup, cost.shape), tf.div(cost, epsilon)) as Tensor2D;
    };
    return {
      probabilities: plan,
      scores: epsilon < LOG_SCORES_BELOW ? logPlan() : plan,
      statistics: {
        [STATISTICS.potentials]: warmStart(result, epsilon),
        [STATISTICS.firstBad]: firstBad,
        [STATISTICS.columnError]: columnError,
      },
    };
  }

  /** P_t = softmax((γ − C_t)/ε): a token's route depends on itself and its past only. */
  private pricedPlan(cost: Tensor2D, mask: Tensor1D | undefined, context: RouteContext): Plan {
    const { experts, groups, iterations, price } = this.options;
    const { epsilon } = this;
    const priced =
      context.balance === 'none' ? tf.neg(cost) : tf.sub(tf.tensor1d(this.price(context.training)), cost);
    const logits = tf.reshape(tf.div(priced, epsilon), [-1, groups, experts / groups]);
    const rows = tf.reshape(tf.softmax(logits), [-1, experts]) as Tensor2D;
    const probabilities = mask === undefined ? rows : (tf.mul(rows, tf.expandDims(mask, 1)) as Tensor2D);
    const scores =
      epsilon < LOG_SCORES_BELOW ? (tf.reshape(logits, [-1, experts]) as Tensor2D) : probabilities;
    // this price is an average of potentials, so they are wanted in every mode
    const wanted = context.training && price === 'sinkhorn';
    const potentials = wanted
      ? warmStart(sinkhorn(cost, { epsilon, iterations, groups, mask, start: this.start() }), epsilon)
      : undefined;
    return {
      probabilities,
      scores,
      statistics: potentials === undefined ? {} : { [STATISTICS.potentials]: potentials },
    };
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
