/** The dense feed-forward network: down(act(gate x) ⊙ up x) with a gate (Shazeer 2020), or down(act(up x)). */
import { activate, type ExpertActivation, isGated } from '@spectra/moe-layer';
import type { Module, Parameter } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { DenseShape } from './architecture.ts';
import type { Initializer } from './initializer.ts';
import { Linear } from './linear.ts';

export class Mlp implements Module {
  /** None where the activation has no gate. */
  readonly gate: Linear | undefined;
  readonly up: Linear;
  readonly down: Linear;
  readonly activation: ExpertActivation;

  /** `prefix` such as `model.layers.0.mlp.`; `std` of the projections, see `Initializer.linear`. */
  constructor(init: Initializer, prefix: string, hidden: number, shape: DenseShape, std?: number) {
    const { intermediate, activation, bias } = shape;
    const linear = (name: string, inputs: number, outputs: number): Linear =>
      new Linear(init, { name: prefix + name, inputs, outputs, bias, std });
    this.gate = isGated(activation) ? linear('gate_proj', hidden, intermediate) : undefined;
    this.up = linear('up_proj', hidden, intermediate);
    this.down = linear('down_proj', intermediate, hidden);
    this.activation = activation;
  }

  /** x [N,H] → [N,H]; the caller owns the result. */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    const up = this.up.forward(x);
    const h = this.gate === undefined ? up : (tf.concat([this.gate.forward(x), up], 1) as tf.Tensor2D);
    return this.down.forward(activate(h, this.activation));
  }

  parameters(): Parameter[] {
    const parts = this.gate === undefined ? [this.up, this.down] : [this.gate, this.up, this.down];
    return parts.flatMap(part => part.parameters());
  }
}
