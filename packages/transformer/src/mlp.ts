/** The dense SwiGLU feed-forward network (Shazeer 2020): down(silu(gate x) ⊙ up x). */
import { type Module, type Parameter, swiglu } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from './config.ts';
import type { Initializer } from './initializer.ts';
import { Linear } from './linear.ts';

export class Mlp implements Module {
  readonly gate: Linear;
  readonly up: Linear;
  readonly down: Linear;

  /** `prefix` such as `model.layers.0.mlp.`. */
  constructor(init: Initializer, prefix: string, config: ModelConfig) {
    const { hidden_size: hidden, intermediate_size: inner, mlp_bias: bias } = config;
    const std = config.initializer.linear;
    this.gate = new Linear(init, { name: `${prefix}gate_proj`, inputs: hidden, outputs: inner, bias, std });
    this.up = new Linear(init, { name: `${prefix}up_proj`, inputs: hidden, outputs: inner, bias, std });
    this.down = new Linear(init, { name: `${prefix}down_proj`, inputs: inner, outputs: hidden, bias, std });
  }

  /** x [N,H] → [N,H]; the caller owns the result. */
  forward(x: tf.Tensor2D): tf.Tensor2D {
    const gateUp = tf.concat([this.gate.forward(x), this.up.forward(x)], 1) as tf.Tensor2D;
    return this.down.forward(swiglu(gateUp));
  }

  parameters(): Parameter[] {
    return [...this.gate.parameters(), ...this.up.parameters(), ...this.down.parameters()];
  }
}
