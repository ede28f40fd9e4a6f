/** Entropic optimal transport between tokens and experts (Cuturi 2013). */
import { checkShape, checkValue, floatMask, noGrad, SpectraError } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { SinkhornAttrs } from './kernels/problem.ts';
import { readable } from './kernels/problem.ts';
import { differentiablePlan, sinkhornOp } from './sinkhorn-op.ts';

/**
 * How the plan's gradient reaches the cost. `unrolled`: exact for the steps run and the last row step. `detached`: the
 * expert potentials g are constants, only the last row step is differentiated. `implicit`: that of the converged plan,
 * whatever number of steps was run.
 */
export type SinkhornGradient = 'unrolled' | 'detached' | 'implicit';

export interface SinkhornOptions {
  /** Temperature ε in units of the cost, > 0; default 0.05. */
  readonly epsilon?: number;
  /** Most g steps, ≥ 0; default 3. */
  readonly iterations?: number;
  /** [N] float32, 1 for a token, 0 for padding, whose cost is not read; default all tokens. */
  readonly mask?: Tensor1D | undefined;
  /** [E] float32 ≥ 0, scaled to sum to the tokens in each group; 0 closes an expert; default equal. */
  readonly columnMass?: Tensor1D | undefined;
  /** [E] float32 potentials to start from in units of the cost (`warmStart`); default 0. */
  readonly start?: Tensor1D | undefined;
  /** Stops before a g step once the column error is at most this; default never. WebGPU freezes g instead. */
  readonly tolerance?: number | undefined;
  /** Default `unrolled`. */
  readonly gradient?: SinkhornGradient;
  /**
   * Two names of one method: a step multiplies by scalings where float32's range holds them, and takes logarithmic sums
   * (`log`, the default) where it does not, so that a plan is finite and the same whichever is asked for.
   */
  readonly domain?: 'log' | 'scaling';
  /** Experts in this many equal consecutive groups, each its own problem with row sums 1; default 1. */
  readonly groups?: number;
}

/** All tensors belong to the caller (inside a `tidy`, to the tidy); only `plan` carries a gradient. */
export interface SinkhornResult {
  /** [N,E] P = exp(f + g − C/ε); rows sum to 1 in each group, rows of padding are 0. */
  readonly plan: Tensor2D;
  /** [N], or [N,groups] where there are several: token potentials in units of ε, −∞ at padding. */
  readonly f: Tensor;
  /** [E] expert potentials in units of ε, mean 0 over the open experts of each group, −∞ at closed ones. */
  readonly g: Tensor1D;
  /** [] int32, g steps taken (the most of any group). */
  readonly steps: Scalar;
  /** [] max_t |Σ_e P_te − 1| over tokens. */
  readonly rowError: Scalar;
  /** [] max_e |Σ_t P_te − b_e|·E/N (E the experts of a group). */
  readonly columnError: Scalar;
  /** [] bool, `columnError` ≤ the tolerance, or ≤ `CONVERGED` if none was given. */
  readonly converged: Scalar;
  /** [] int32, token·E + expert of the first NaN or infinite cost, −1 if there is none. */
  readonly firstBad: Scalar;
}

/** The column error that `converged` asks for when no tolerance is given. */
export const CONVERGED = 1e-3;

/**
 * The transport plan of `cost` [N,E] float32 between tokens of mass 1 and experts of mass b:
 *
 *     T times  f_t ← −logsumexp_e(g_e − C_te/ε),  g_e ← log b_e − logsumexp_t(f_t − C_te/ε);  then f once more
 *
 * Finite for |C|/ε up to 1e4 and ε down to 1e-3: the wasm kernel multiplies by scalings where float32's range holds them and
 * takes logarithmic sums where not. No learned parameters.
 *
 * @throws SpectraError `SHAPE`, `VALUE`; `NOT_FINITE` naming the first bad cost (cpu, wasm, tensorflow; on WebGPU that
 * check is `checkSinkhorn`, which reads back).
 */
export function sinkhorn(cost: Tensor2D, options: SinkhornOptions = {}): SinkhornResult {
  const attrs = attributesOf(cost, options);
  const { mask: given, columnMass } = options;
  if (columnMass !== undefined) checkColumnMass(columnMass, attrs.groups);
  if (cost.shape[0] === 0) return withoutTokens(cost, options, attrs);
  return tf.tidy(() => {
    const mask = floatMask(given);
    const { constants, history, taken } = noGrad(() => solve(cost, { ...options, mask }, attrs));
    const inputs = { cost, mask, columnMass, plan: constants.plan, history, steps: taken };
    return { ...constants, plan: differentiablePlan(inputs, attrs)[0] as Tensor2D };
  });
}

/** The run itself, and what its gradient needs. */
function solve(
  cost: Tensor2D,
  { mask, columnMass, start }: SinkhornOptions,
  attrs: SinkhornAttrs,
): { readonly constants: SinkhornResult; readonly history: Tensor2D; readonly taken: Tensor } {
  const [plan, f, g, history, taken, rowError, columnError, firstBad] = sinkhornOp(
    { cost, mask, columnMass, start },
    attrs,
  ) as [Tensor2D, Tensor, Tensor1D, Tensor2D, Tensor, Scalar, Scalar, Scalar];
  if (readable()) throwIfBad(firstBad.dataSync()[0]!, cost);
  const alone = attrs.groups === 1;
  const constants = {
    plan,
    f: alone ? tf.reshape(f, [-1]) : f,
    g,
    steps: (alone ? tf.reshape(taken, []) : tf.max(taken)) as Scalar,
    rowError,
    columnError,
    converged: tf.lessEqual(columnError, attrs.tolerance ?? CONVERGED) as Scalar,
    firstBad,
  };
  return { constants, history, taken };
}

/** Throws `NOT_FINITE` for a first bad position ≥ 0. */
export function throwIfBad(position: number, cost: { readonly shape: readonly number[] }): void {
  if (position < 0) return;
  const experts = cost.shape[1]!;
  throw new SpectraError('NOT_FINITE', {
    message: `the cost of token ${Math.floor(position / experts)}, expert ${position % experts} is NaN or infinite.`,
    where: 'sinkhorn',
    fix: 'Look for the first operation whose result is not finite; give padding a mask.',
  });
}

function attributesOf(cost: Tensor2D, options: SinkhornOptions): SinkhornAttrs {
  const { epsilon = 0.05, iterations = 3, gradient = 'unrolled', groups = 1, tolerance } = options;
  const where = 'sinkhorn';
  checkShape(cost.shape, [-1, -1], `${where}, cost`);
  const [N, E] = cost.shape;
  if (options.mask !== undefined) checkShape(options.mask.shape, [N], `${where}, mask`);
  if (options.columnMass !== undefined) checkShape(options.columnMass.shape, [E], `${where}, columnMass`);
  if (options.start !== undefined) checkShape(options.start.shape, [E], `${where}, start`);
  checkValue(E > 0, 'there is no expert.', where);
  checkValue(
    epsilon > 0 && Number.isFinite(epsilon),
    `epsilon must be positive and finite, got ${epsilon}.`,
    where,
  );
  checkValue(
    Number.isInteger(iterations) && iterations >= 0,
    `iterations must be 0, 1, …, got ${iterations}.`,
    where,
  );
  checkValue(
    tolerance === undefined || tolerance >= 0,
    `tolerance must not be negative, got ${tolerance}.`,
    where,
  );
  checkValue(Number.isInteger(groups) && groups > 0, `groups must be 1, 2, …, got ${groups}.`, where);
  checkValue(E % groups === 0, `${E} experts do not divide into ${groups} groups.`, where);
  return { epsilon, iterations, tolerance, gradient, groups };
}

function checkColumnMass(columnMass: Tensor1D, groups: number): void {
  if (!readable()) return;
  const mass = columnMass.dataSync();
  const width = mass.length / groups;
  const sums = new Float64Array(groups);
  mass.forEach((value, e) => {
    checkValue(value >= 0 && Number.isFinite(value), `columnMass of expert ${e} is ${value}.`, 'sinkhorn');
    sums[Math.floor(e / width)]! += value;
  });
  checkValue(
    sums.every(sum => sum > 0),
    'every expert of a group is closed.',
    'sinkhorn, columnMass',
    'Leave at least one expert of each group a positive mass.',
  );
}

function withoutTokens(
  cost: Tensor2D,
  { start, columnMass }: SinkhornOptions,
  { epsilon, groups }: SinkhornAttrs,
): SinkhornResult {
  const E = cost.shape[1];
  return tf.tidy(() => {
    const perGroup = (values: Tensor): Tensor => tf.reshape(values, [groups, E / groups]);
    const given = perGroup(start === undefined ? tf.zeros([E]) : tf.div(start, epsilon));
    const open = perGroup(columnMass === undefined ? tf.ones([E], 'bool') : tf.greater(columnMass, 0));
    const counted = tf.cast(open, 'float32');
    const mean = tf.div(tf.sum(tf.mul(given, counted), 1, true), tf.sum(counted, 1, true));
    const g = tf.where<Tensor>(open, tf.sub(given, mean), tf.scalar(Number.NEGATIVE_INFINITY));
    return {
      plan: cost.clone(),
      f: tf.zeros(groups === 1 ? [0] : [0, groups]),
      g: tf.reshape(g, [E]) as Tensor1D,
      steps: tf.scalar(0, 'int32'),
      rowError: tf.scalar(0),
      columnError: tf.scalar(0),
      converged: tf.scalar(true, 'bool'),
      firstBad: tf.scalar(-1, 'int32'),
    };
  });
}
