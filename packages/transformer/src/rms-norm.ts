/** Root-mean-square layer normalisation (Zhang & Sennrich 2019). */
import { type Module, type Parameter, rmsNorm } from '@spectra/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import type { Initializer } from './initializer.ts';

export class RmsNorm implements Module {
  readonly weight: Parameter;
  readonly epsilon: number;

  /** `name` is the checkpoint name without its `.weight`; the weights start at 1. */
  constructor(init: Initializer, name: string, width: number, epsilon: number) {
    this.weight = init.constant(`${name}.weight`, [width], 1);
    this.epsilon = epsilon;
  }

  /** x [N,H] → w ⊙ x/√(mean x² + ε), [N,H]; the caller owns the result. */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    return rmsNorm(x, this.weight.variable as unknown as tf.Tensor1D, this.epsilon);
  }

  parameters(): Parameter[] {
    return [this.weight];
  }
}
