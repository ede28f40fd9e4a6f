/** A feed-forward network that every token passes (DeepSeekMoE, Dai et al. 2024). */
import { type Module, Parameter, type Rng } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { activate, type ExpertActivation, isGated } from './activation.ts';

export interface SharedExpertOptions {
  readonly prefix: string;
  readonly hidden: number;
  readonly intermediate: number;
  readonly activation?: ExpertActivation;
  /** Standard deviation of the normal initialisation. */
  readonly std?: number;
  /** Frozen: its parameters get no update. */
  readonly frozen?: boolean;
  /** Whether its output is multiplied by σ(w·x), one number per token (Qwen2-MoE); false by default. */
  readonly gated?: boolean;
  /** A `BlankRng` for weights about to be loaded. */
  readonly rng: Rng;
}

/**
 * Parameters: `shared_experts.gate_up_proj.weight` [2I,H] (or `up_proj.weight` [I,H]), `shared_experts.down_proj.weight`
 * [H,I] and, where `gated`, `shared_experts.gate.weight` [1,H].
 */
export class SharedExpert implements Module {
  readonly up: Parameter;
  readonly down: Parameter;
  readonly gate: Parameter | undefined;
  private readonly activation: ExpertActivation;

  constructor(options: SharedExpertOptions) {
    const { prefix, hidden, intermediate, rng, std = 0.02 } = options;
    this.activation = options.activation ?? 'swiglu';
    const make = (suffix: string, shape: [number, number]): Parameter => {
      const name = `${prefix}shared_experts.${suffix}.weight`;
      const parameter = new Parameter(name, rng.split(name).normalTensor(shape, 0, std), { role: 'expert' });
      parameter.trainable = !options.frozen;
      return parameter;
    };
    this.up = isGated(this.activation)
      ? make('gate_up_proj', [2 * intermediate, hidden])
      : make('up_proj', [intermediate, hidden]);
    this.down = make('down_proj', [hidden, intermediate]);
    this.gate = options.gated ? make('gate', [1, hidden]) : undefined;
  }

  /** x [N,H] → [N,H]; the caller owns the result. */
  forward(x: Tensor2D): Tensor2D {
    const h: Tensor2D = tf.matMul(x, this.up.variable as unknown as Tensor2D, false, true);
    const y: Tensor2D = tf.matMul(
      activate(h, this.activation),
      this.down.variable as unknown as Tensor2D,
      false,
      true,
    );
    if (this.gate === undefined) return y;
    return tf.mul(y, tf.sigmoid(tf.matMul(x, this.gate.variable as unknown as Tensor2D, false, true)));
  }

  parameters(): Parameter[] {
    return this.gate === undefined ? [this.up, this.down] : [this.up, this.down, this.gate];
  }
}
