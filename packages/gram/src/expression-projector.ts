/** What each expert finds in a token: an orthogonal projection of its hidden state. */
import { checkShape, checkValue, type Module, normalise, Parameter, type Rng } from '@spectra/tensor';
import type { Scalar, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { newtonSchulz, orthogonalLoss } from './newton-schulz.ts';
import { orthogonalFromRng } from './orthogonal.ts';

/** `init`: orthogonal at the start only. `newton-schulz`: the weight is mapped to near orthogonal at each use. */
export type Orthogonalise = 'init' | 'newton-schulz';

export interface ExpressionProjectorOptions {
  /** H, the width of a hidden state. */
  readonly hidden: number;
  /** E. */
  readonly experts: number;
  /** D, the router's dimension. */
  readonly dim: number;
  /** Default `init`. */
  readonly orthogonalise?: Orthogonalise;
  /** Steps at each use; default 5. */
  readonly newtonSchulzSteps?: number;
  /** Singular values of the initial weight; default 1. */
  readonly gain?: number;
  /** The parameter's name is this and `expression.weight`; default ''. */
  readonly prefix?: string;
  /** The parameter's whole name, in place of `prefix`. */
  readonly name?: string;
}

/** X = normalise(x Wᵀ), W [E·D,H] with row e·D + d expert e's. It owns its parameter: `dispose` frees it. */
export class ExpressionProjector implements Module {
  readonly weight: Parameter;
  readonly orthogonalise: Orthogonalise;
  private readonly steps: number;
  private readonly experts: number;
  private readonly dim: number;

  /** Draws the initial weight from `rng`. @throws VALUE for sizes that are not positive whole numbers */
  constructor(options: ExpressionProjectorOptions, rng: Rng) {
    const {
      hidden,
      experts,
      dim,
      orthogonalise = 'init',
      newtonSchulzSteps = 5,
      gain = 1,
      prefix = '',
    } = options;
    for (const [key, size] of Object.entries({ hidden, experts, dim })) {
      checkValue(
        Number.isInteger(size) && size > 0,
        `${key} must be 1, 2, …, got ${size}.`,
        'ExpressionProjector',
      );
    }
    const initial = orthogonalFromRng(rng, experts * dim, hidden, gain);
    this.weight = new Parameter(options.name ?? `${prefix}expression.weight`, initial, { role: 'router' });
    this.orthogonalise = orthogonalise;
    this.steps = newtonSchulzSteps;
    this.experts = experts;
    this.dim = dim;
  }

  parameters(): Parameter[] {
    return [this.weight];
  }

  /** X [N,E,D], unit vectors (or 0), of hidden states x [N,H]. The caller owns it. */
  project(x: Tensor2D): Tensor3D {
    return tf.tidy(() => normalise(this.rows(x)));
  }

  /** x Wᵀ [N,E,D] of hidden states x [N,H], not normalised. The caller owns it. */
  rows(x: Tensor2D): Tensor3D {
    checkShape(x.shape, [-1, this.weight.shape[1]!], 'ExpressionProjector');
    return tf.tidy(() => {
      const rows = tf.matMul(x, this.effective(), false, true);
      return tf.reshape(rows, [-1, this.experts, this.dim]) as Tensor3D;
    });
  }

  /** ‖A − I‖²_F of the weight as stored, A its smaller Gram matrix. The caller owns it. */
  loss(): Scalar {
    return orthogonalLoss(this.matrix());
  }

  dispose(): void {
    this.weight.dispose();
  }

  private effective(): Tensor2D {
    return this.orthogonalise === 'newton-schulz' ? newtonSchulz(this.matrix(), this.steps) : this.matrix();
  }

  private matrix(): Tensor2D {
    return this.weight.variable as unknown as Tensor2D;
  }
}
