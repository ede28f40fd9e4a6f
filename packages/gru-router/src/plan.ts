/** From costs to a routing distribution: by transport over the batch, or by a price that the batch does not move. */
import { sinkhorn, warmStart } from '@spectra/sinkhorn';
import { noGrad } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ResolvedOptions } from './options.ts';
import { STATISTICS } from './statistics.ts';

/** Below this ε a probability may underflow; log probabilities are then what is compared. */
const LOG_SCORES_BELOW = 0.025;

/** Whether experts are compared by log P. */
export function comparesLogs(epsilon: number): boolean {
  return epsilon < LOG_SCORES_BELOW;
}

/** What a rule made of the cost. */
export interface Plan {
  /** P [N,E], rows of padding 0. */
  readonly probabilities: Tensor2D;
  /** [N,E] what experts are chosen by: P or log P. */
  readonly scores: Tensor2D;
  /** What `commit` wants to know of it. */
  readonly statistics: Readonly<Record<string, Tensor>>;
}

/** What is in force at a step. */
export interface PlanContext {
  readonly options: ResolvedOptions;
  readonly epsilon: number;
  /** [N] */
  readonly mask: Tensor1D | undefined;
  /** [E] ε·g to start Sinkhorn from. */
  readonly start: Tensor1D | undefined;
}

/** Entropic transport over the batch: balanced by construction, not causal. */
export function transportPlan(cost: Tensor2D, { options, epsilon, mask, start }: PlanContext): Plan {
  const {
    iterations,
    tolerance,
    groups,
    sinkhornGradient: gradient,
    sinkhornDomain: domain = 'log',
  } = options;
  const result = sinkhorn(cost, {
    epsilon,
    iterations,
    tolerance,
    groups,
    mask,
    gradient,
    domain,
    start,
  });
  const { plan, f, g, firstBad, columnError } = result;
  const logPlan = (): Tensor2D => {
    const perGroup = tf.add(tf.reshape(f, [-1, groups, 1]), tf.reshape(g, [1, groups, -1]));
    return tf.sub(tf.reshape(perGroup, cost.shape), tf.div(cost, epsilon)) as Tensor2D;
  };
  return {
    probabilities: plan,
    scores: comparesLogs(epsilon) ? noGrad(logPlan) : plan,
    statistics: {
      [STATISTICS.potentials]: noGrad(() => warmStart(result, epsilon)),
      [STATISTICS.firstBad]: firstBad,
      [STATISTICS.columnError]: columnError,
    },
  };
}

/** P_t = softmax((γ − C_t)/ε), γ [E] in units of the cost or 0: a token's route depends on itself and its past. */
export function pricedPlan(cost: Tensor2D, price: Tensor1D | undefined, context: PlanContext): Plan {
  const { options, epsilon, mask } = context;
  const [N, E] = cost.shape;
  const priced = price === undefined ? tf.neg(cost) : tf.sub(price, cost);
  const logits = tf.reshape(tf.div(priced, epsilon), [N, options.groups, E / options.groups]);
  const rows = tf.reshape(tf.softmax(logits), [N, E]) as Tensor2D;
  const probabilities = mask === undefined ? rows : (tf.mul(rows, tf.expandDims(mask, 1)) as Tensor2D);
  const scores = comparesLogs(epsilon) ? (tf.reshape(logits, [N, E]) as Tensor2D) : probabilities;
  return { probabilities, scores, statistics: {} };
}

/** ε·g [E] of the transport that this cost would have; a constant. */
export function transportPotentials(
  cost: Tensor2D,
  { options, epsilon, mask, start }: PlanContext,
): Tensor1D {
  const { iterations, groups } = options;
  return noGrad(() => warmStart(sinkhorn(cost, { epsilon, iterations, groups, mask, start }), epsilon));
}
