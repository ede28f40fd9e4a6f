/** The routed experts of one layer: E feed-forward networks with stacked weights. */
import { gatherRows, type Module, Parameter, type Rng, taping } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { activate, type ExpertActivation, isGated } from './activation.ts';
import { type DispatchPlan, dispatchPlan } from './dispatch-plan.ts';
import { combineRows, dispatchRows } from './dispatch-rows.ts';
import { expertMixture } from './expert-mixture.ts';
import { groupedMatMul } from './grouped-matmul.ts';
import { routedMixture } from './routed-mixture.ts';

export interface ExpertsOptions {
  /** Put before every parameter name, e.g. `model.layers.0.mlp.`. */
  readonly prefix: string;
  readonly experts: number;
  /** H */
  readonly hidden: number;
  /** I, the width of one expert */
  readonly intermediate: number;
  readonly activation?: ExpertActivation;
  readonly bias?: boolean;
  /** GPT-OSS's `swiglu_limit`, for `clamped-glu`. */
  readonly limit?: number;
  /** Standard deviation of the normal initialisation. */
  readonly std?: number;
  /** A `BlankRng` for weights about to be loaded. */
  readonly rng: Rng;
}

/**
 * Parameters (checkpoint names): `experts.gate_up_proj` [E,2I,H] with all gate rows before all up rows, or
 * `experts.up_proj` [E,I,H] for activations without a gate; `experts.down_proj` [E,H,I]; with `bias` also
 * `…_bias` [E,2I or I] and [E,H].
 */
export class Experts implements Module {
  readonly count: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly activation: ExpertActivation;
  readonly up: Parameter;
  readonly down: Parameter;
  readonly upBias: Parameter | undefined;
  readonly downBias: Parameter | undefined;
  private readonly limit: number | undefined;

  constructor(options: ExpertsOptions) {
    const { prefix, experts, hidden, intermediate, rng, std = 0.02 } = options;
    this.count = experts;
    this.hidden = hidden;
    this.intermediate = intermediate;
    this.activation = options.activation ?? 'swiglu';
    this.limit = options.limit;
    const [name, rows] = isGated(this.activation)
      ? ['gate_up_proj', 2 * intermediate]
      : ['up_proj', intermediate];
    const weight = (suffix: string, shape: [number, number, number]): Parameter => {
      const full = `${prefix}experts.${suffix}`;
      return new Parameter(full, rng.split(full).normalTensor(shape, 0, std), { role: 'expert' });
    };
    const bias = (suffix: string, width: number): Parameter | undefined =>
      options.bias
        ? new Parameter(`${prefix}experts.${suffix}`, tf.zeros([experts, width]), {
            role: 'expert',
            decay: false,
          })
        : undefined;
    this.up = weight(name as string, [experts, rows as number, hidden]);
    this.down = weight('down_proj', [experts, hidden, intermediate]);
    this.upBias = bias(`${name}_bias`, rows as number);
    this.downBias = bias('down_proj_bias', hidden);
  }

  /** `mix` of the tokens of `indices` [N,slots] (int32, −1: no expert); one operation where no gradient is wanted. */
  mixChosen(x: Tensor2D, weights: Tensor2D, indices: Tensor2D): Tensor2D {
    if (!this.fused || taping()) return this.mix(x, weights, dispatchPlan(indices, this.count), indices);
    const { up, down } = this.matrices();
    return routedMixture(x, weights, up, down, indices);
  }

  /**
   * x [N,H], gate weights [N,slots] → Σ_j weights_tj · expert_j(x_t), [N,H]. `indices` are those that the plan was made
   * of. SwiGLU without biases is one operation. The caller owns the result.
   */
  mix(x: Tensor2D, weights: Tensor2D, plan: DispatchPlan, indices: Tensor2D): Tensor2D {
    if (!this.fused) return combineRows(this.forward(dispatchRows(x, plan), plan, indices), weights, plan);
    const { up, down } = this.matrices();
    return expertMixture(x, weights, up, down, plan);
  }

  /** Rows [M,H] grouped by expert → [M,H]; dead rows stay 0 without biases. The caller owns the result. */
  forward(rows: Tensor2D, plan: DispatchPlan, indices: Tensor2D): Tensor2D {
    const owner = this.upBias === undefined ? undefined : expertOfRow(plan, indices);
    const h = addBias(
      groupedMatMul(rows, this.up.variable as unknown as Tensor3D, plan.offsets),
      this.upBias,
      owner,
    );
    const a = activate(h, this.activation, this.limit);
    return addBias(
      groupedMatMul(a, this.down.variable as unknown as Tensor3D, plan.offsets),
      this.downBias,
      owner,
    );
  }

  private get fused(): boolean {
    return this.activation === 'swiglu' && this.upBias === undefined;
  }

  private matrices(): { readonly up: Tensor3D; readonly down: Tensor3D } {
    return { up: this.up.variable as unknown as Tensor3D, down: this.down.variable as unknown as Tensor3D };
  }

  parameters(): Parameter[] {
    return [this.up, this.upBias, this.down, this.downBias].filter(p => p !== undefined);
  }
}

function addBias(rows: Tensor2D, bias: Parameter | undefined, owner: Tensor1D | undefined): Tensor2D {
  if (bias === undefined || owner === undefined) return rows;
  return rows.add(gatherRows(bias.variable as unknown as Tensor2D, owner)) as Tensor2D;
}

/** [M] int32: the expert of each row, −1 for dead rows. */
function expertOfRow(plan: DispatchPlan, indices: Tensor2D): Tensor1D {
  const flat = indices.reshape([-1]);
  const taken = tf.gather(flat, plan.slotOfRow.maximum(tf.scalar(0, 'int32')) as Tensor1D);
  return tf.where(plan.slotOfRow.greaterEqual(0), taken, plan.slotOfRow) as Tensor1D;
}
