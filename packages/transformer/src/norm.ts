/** The norms of the residual stream and of queries and keys. */
import { type Module, type Parameter, rmsNorm } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { NormShape } from './architecture.ts';
import type { Initializer } from './initializer.ts';

export interface Norm extends Module {
  readonly weight: Parameter;
  /** x [N,H] → [N,H]; the caller owns the result. */
  forward(x: tf.Tensor2D): tf.Tensor2D;
}

/** `name` is the checkpoint name without its `.weight`; a new norm only normalises. */
export function makeNorm(init: Initializer, name: string, width: number, shape: NormShape): Norm {
  return shape.kind === 'rms'
    ? new RmsNorm(init, name, width, shape.epsilon, shape.offset)
    : new LayerNorm(init, name, width, shape.epsilon);
}

/** Root-mean-square layer normalisation (Zhang & Sennrich 2019): (offset + w) ⊙ x/√(mean x² + ε). */
export class RmsNorm implements Norm {
  readonly weight: Parameter;
  readonly epsilon: number;
  readonly offset: 0 | 1;

  constructor(init: Initializer, name: string, width: number, epsilon: number, offset: 0 | 1 = 0) {
    this.weight = init.constant(`${name}.weight`, [width], 1 - offset);
    this.epsilon = epsilon;
    this.offset = offset;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const weight = this.weight.variable as unknown as tf.Tensor1D;
    return rmsNorm(x, this.offset === 0 ? weight : tf.add(weight, this.offset), this.epsilon);
  }

  parameters(): Parameter[] {
    return [this.weight];
  }
}

/** Layer normalisation (Ba et al. 2016): w ⊙ (x − mean x)/√(var x + ε) + b. */
export class LayerNorm implements Norm {
  readonly weight: Parameter;
  readonly bias: Parameter;
  private readonly epsilon: number;

  constructor(init: Initializer, name: string, width: number, epsilon: number) {
    this.weight = init.constant(`${name}.weight`, [width], 1);
    this.bias = init.constant(`${name}.bias`, [width], 0);
    this.epsilon = epsilon;
  }

  forward(x: tf.Tensor2D): tf.Tensor2D {
    const centred = tf.sub(x, tf.mean(x, 1, true));
    const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), 1, true), this.epsilon));
    const scaled = tf.mul(tf.div(centred, deviation), this.weight.variable as tf.Tensor);
    return tf.add(scaled, this.bias.variable as tf.Tensor) as tf.Tensor2D;
  }

  parameters(): Parameter[] {
    return [this.weight, this.bias];
  }
}
