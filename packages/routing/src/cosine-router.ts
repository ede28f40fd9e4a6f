/**
 * Cosine scores on a low-dimensional hypersphere (X-MoE: Chi et al. 2022, "On the Representation Collapse of Sparse Mixture
 * of Experts"): D = E/2 and τ₀ = 0.3 for softmax gates are the paper's; the coefficient 0.01 is Switch's; orthogonal expert
 * vectors of gain 0.32 are TorchScale's, log(1/τ) as the parameter and τ ≥ 0.01 are those of Tutel's cosine gate.
 */
import { checkValue, normalise, Parameter, Rng } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { GateInput } from './linear-gate.ts';
import { gateProbabilities } from './linear-gate.ts';
import type { TopKRouterOptions } from './top-k-options.ts';
import { TopKRouter } from './top-k-router.ts';

export interface CosineRouterOptions
  extends Pick<TopKRouterOptions, 'experts' | 'hidden' | 'k' | 'prefix' | 'rng'> {
  /** D; half the experts by default, at least 2. */
  readonly dimension?: number;
  /** τ₀: the initial τ, and the constant that the balancing loss divides by; 0.3 by default. */
  readonly temperature?: number;
  /** As `SoftmaxTopKOptions`. */
  readonly normalise?: boolean;
  readonly balanceLoss?: number;
  readonly zLoss?: number;
}

/** τ never falls below this. */
const COLDEST = 0.01;

/**
 * P = softmax(s/τ), s_te = ⟨normalise(W x_t), normalise(v_e)⟩ with W [D,H] (`projection.weight`), v [E,D] (`gate.weight`)
 * and a learned τ, kept as log(1/τ) (`log_scale`) so that it stays positive. The k most probable experts; gates, z-loss and
 * causality are those of `SoftmaxTopKRouter`. The balancing loss is of softmax(s/τ₀), so that τ learns from the task alone
 * (equation 9). The paper also holds the length of v_e, which only sets how fast its direction moves; here it is free.
 */
export class CosineRouter extends TopKRouter {
  override readonly kind = 'cosine';
  /** [D,H] */
  readonly projection: Parameter;
  /** [1] log(1/τ) */
  readonly logScale: Parameter;
  private readonly balanceTemperature: number;

  constructor(options: CosineRouterOptions) {
    const { experts, hidden, prefix = '', rng = new Rng(0), temperature = 0.3, ...rest } = options;
    const dimension = options.dimension ?? Math.max(2, Math.floor(experts / 2));
    super({
      balanceLoss: 0.01,
      ...rest,
      experts,
      hidden,
      prefix,
      rng: rng.split('gate'),
      gateWidth: dimension,
      orthogonalGain: 0.32,
    });
    checkValue(
      temperature >= COLDEST && Number.isFinite(temperature),
      `temperature must be at least ${COLDEST}, got ${temperature}.`,
      'CosineRouter',
    );
    this.balanceTemperature = temperature;
    const role = { role: 'router' } as const;
    const bound = 1 / Math.sqrt(hidden);
    const drawn = rng.split('projection').uniformTensor([dimension, hidden], -bound, bound);
    this.projection = new Parameter(`${prefix}projection.weight`, drawn, role);
    this.logScale = new Parameter(`${prefix}log_scale`, tf.tensor1d([-Math.log(temperature)]), role);
  }

  override parameters(): Parameter[] {
    return [...super.parameters(), this.projection, this.logScale];
  }

  protected override logits(rows: Tensor2D): Tensor2D {
    const scale = tf.exp(tf.minimum(this.logScale.variable as tf.Tensor, -Math.log(COLDEST)));
    return tf.mul(this.cosines(rows), scale);
  }

  protected override balancedShares(_probabilities: Tensor2D, input: GateInput): Tensor2D {
    const logits = tf.div<Tensor2D>(this.cosines(input.rows), this.balanceTemperature);
    return gateProbabilities({ ...input, logits });
  }

  /** [N,E] of rows [N,H]. */
  private cosines(rows: Tensor2D): Tensor2D {
    const projected = tf.matMul(rows, this.projection.variable as unknown as Tensor2D, false, true);
    const directions = normalise(this.gate.variable as unknown as Tensor2D) as Tensor2D;
    return tf.matMul(normalise(projected) as Tensor2D, directions, false, true);
  }
}
