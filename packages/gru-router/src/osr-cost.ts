/**
 * The cost of Orthogonal Sinkhorn Routing (OSR): how badly a token fits an expert, with a repulsion between
 * experts that resemble each other and a hinge against over-confident alignment.
 */
import { checkShape } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type OsrWeights, osrCostOp } from './osr-cost-op.ts';
import { type RouterCostAttrs, routerCostOp } from './router-cost-op.ts';

/** λ = 0.5, β = 0.5, τ = 0.7. */
export const OSR_DEFAULTS: OsrWeights = { lambda: 0.5, beta: 0.5, tau: 0.7 };

export interface OsrCostOptions extends Partial<OsrWeights> {
  /** [N], or any shape of N elements, float32 0/1: padding does not count in the experts' mean. */
  readonly mask?: Tensor | undefined;
  /** [E,E] a Gram matrix to take as a constant in place of the batch's, as the causal modes do. */
  readonly gram?: Tensor2D | undefined;
}

export interface OsrCost {
  /** C [N,E] */
  readonly cost: Tensor2D;
  /** s [N,E], the cosine of routing vector and expression. */
  readonly scores: Tensor2D;
  /** G [E,E], the one that the cost was made with. */
  readonly gram: Tensor2D;
  /** mean_t X_te [E,D], not normalised; of this batch, also where `gram` was given. */
  readonly mean: Tensor2D;
}

/**
 * C_te = −s_te + λ·Σ_{i≠e} |s_ti|·G_ie² + β·relu(|s_te| − τ)² with s_te = ⟨R_te, X_te⟩ and G the Gram matrix of
 * the normalised means of X. The square makes the repulsion blind to the sign: anti-parallel experts repel too.
 *
 * @param routing R [N,E,D] float32, normalised over D.
 * @param expressions X [N,E,D] float32, normalised over D.
 * @returns tensors the caller owns. The gradient flows through s, the mean and, unless `gram` was given, through G. On
 * wasm it takes memory of N·E + E² beyond R and X.
 * @throws SHAPE
 */
export function osrCost(routing: Tensor3D, expressions: Tensor3D, options: OsrCostOptions = {}): OsrCost {
  const [N, E, D] = routing.shape;
  checkShape(expressions.shape, [N, E, D], 'osrCost expressions');
  if (options.gram !== undefined) checkShape(options.gram.shape, [E, E], 'osrCost gram');
  const { scores, cost, gram, mean } = routerCost(routing, expressions, {
    ...options,
    normalise: false,
    speciality: false,
  });
  return { scores, cost, gram, mean };
}

export interface RouterCost extends OsrCost {
  /** Σ_{i≠e} ⟨R_ti, R_te⟩² [N], 0 where it was not asked for. */
  readonly speciality: Tensor1D;
}

/** `osrCost` of rows r, x [N,E,D] that are normalised on the way, and the speciality of their routing vectors. */
export function routerCost(
  r: Tensor3D,
  x: Tensor3D,
  options: OsrCostOptions & Pick<RouterCostAttrs, 'normalise' | 'speciality'>,
): RouterCost {
  const { lambda = OSR_DEFAULTS.lambda, beta = OSR_DEFAULTS.beta, tau = OSR_DEFAULTS.tau } = options;
  const { normalise, speciality } = options;
  return tf.tidy(() => {
    const mask = options.mask === undefined ? undefined : tf.reshape(options.mask, [r.shape[0]]);
    const [scores, cost, gram, mean, special] = routerCostOp(
      { r, x, mask, gram: options.gram },
      { lambda, beta, tau, normalise, speciality },
    ) as [Tensor2D, Tensor2D, Tensor2D, Tensor2D, Tensor1D];
    return { scores, cost, gram, mean, speciality: special };
  });
}

/** The cost [N,E] of scores [N,E] under a Gram matrix [E,E]; see `osrCost`. */
export function costOfScores(scores: Tensor2D, gram: Tensor2D, weights: Partial<OsrWeights> = {}): Tensor2D {
  const { lambda = OSR_DEFAULTS.lambda, beta = OSR_DEFAULTS.beta, tau = OSR_DEFAULTS.tau } = weights;
  return osrCostOp({ scores, gram }, { lambda, beta, tau })[0] as Tensor2D;
}
