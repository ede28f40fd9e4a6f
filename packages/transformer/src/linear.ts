/** A linear map with weights stored as published checkpoints store them: [out, in]. */
import { checkShape, linear, type Module, type Parameter } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Initializer } from './initializer.ts';

export interface LinearOptions {
  /** Checkpoint name without its `.weight`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias?: boolean;
  readonly std?: number | undefined;
}

export class Linear implements Module {
  readonly weight: Parameter;
  readonly bias: Parameter | undefined;

  constructor(init: Initializer, options: LinearOptions) {
    const { name, inputs, outputs, bias = false, std } = options;
    this.weight = init.linear(`${name}.weight`, outputs, inputs, std);
    this.bias = bias ? init.constant(`${name}.bias`, [outputs], 0) : undefined;
  }

  /** x [N,in] → [N,out]; the caller owns the result. */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    checkShape(x.shape, [-1, this.weight.shape[1]!], this.weight.name);
    const weight = this.weight.variable as unknown as tf.Tensor2D;
    if (this.bias === undefined) return tf.matMul(x, weight, false, true);
    return linear(x, weight, this.bias.variable as unknown as tf.Tensor1D);
  }

  parameters(): Parameter[] {
    return this.bias === undefined ? [this.weight] : [this.weight, this.bias];
  }
}
