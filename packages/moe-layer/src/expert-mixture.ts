/**
 * The SwiGLU experts of a layer as one operation, from the tokens and back: dispatch, three projections and combine.
 * The reference is made of the operations that stand beside it; a fused kernel moves no row.
 */
import { defineOp, gatherRows, swiglu, swigluGrad, type WasmCall } from '@spectra/tensor';
import type { Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { DispatchPlan } from './dispatch-plan.ts';
import { combineRows, dispatchRows } from './dispatch-rows.ts';
import { groupedMatMul, groupedOuter } from './grouped-matmul.ts';
import { kernels, type MoeKernels } from './kernels/wasm/module.ts';
import { expertMixtureGradOnDevice, expertMixtureOnDevice } from './kernels/webgpu/expert-mixture.ts';

type MixtureInputs = {
  x: tf.Tensor;
  weights: tf.Tensor;
  up: tf.Tensor;
  down: tf.Tensor;
  slotOfRow: tf.Tensor;
  rowOfSlot: tf.Tensor;
  offsets: tf.Tensor;
};
type MixtureGradInputs = MixtureInputs & { h: tf.Tensor; dy: tf.Tensor };
interface MixtureGradAttrs {
  /** Whether the gradients of the experts' weights are wanted. */
  readonly ofExperts: boolean;
}

// outputs: y, and the rows before the activation, from which the backward pass makes the rest again
const mixtureOp = defineOp<MixtureInputs, object>({
  name: 'ExpertMixture',
  reference: inputs => {
    const { x, weights, up, down } = inputs;
    const plan = planOf(inputs);
    const h = groupedMatMul(dispatchRows(x as Tensor2D, plan), up as Tensor3D, plan.offsets);
    const rows = groupedMatMul(swiglu(h), down as Tensor3D, plan.offsets);
    return [combineRows(rows, weights as Tensor2D, plan), h];
  },
  kernels: {
    wasm: (inputs, _, call) => {
      const { x, weights, up, down, slotOfRow, offsets } = inputs;
      const y = call.output(x.shape);
      const h = call.output([slotOfRow.shape[0]!, up.shape[1]!]);
      const { on, most, work } = prepare(inputs, call);
      on.mixture(
        call.address(x),
        call.address(weights),
        call.address(up),
        call.address(down),
        call.address(slotOfRow),
        call.address(offsets),
        call.address(h),
        call.address(y),
        x.shape[0]!,
        most,
        work,
      );
      return [y, h];
    },
    webgpu: (inputs, _, backend) => expertMixtureOnDevice(backend, inputs),
  },
  gradient: ({ dys: [dy], inputs, outputs: [, h], wanted }) => {
    const ofExperts = wanted('up') || wanted('down');
    const [x, weights, up, down] = gradOp({ ...inputs, h: h!, dy: dy! }, { ofExperts });
    return { x: x!, weights: weights!, ...(ofExperts ? { up: up!, down: down! } : {}) };
  },
});

// with g = dy·down and a the activation: d weight = ⟨a, g⟩, dh = weight·g through the activation
const gradOp = defineOp<MixtureGradInputs, MixtureGradAttrs>({
  name: 'ExpertMixtureGrad',
  reference: (inputs, { ofExperts }) => {
    const { x, weights, up, down, rowOfSlot, h, dy } = inputs;
    const plan = planOf(inputs);
    const [rows, dyRows] = [x, dy].map(tokens => dispatchRows(tokens as Tensor2D, plan)) as [
      Tensor2D,
      Tensor2D,
    ];
    const gate = gatherRows(weights.reshape([-1, 1]), plan.slotOfRow);
    const a = swiglu(h as Tensor2D);
    const g = groupedMatMul(dyRows, down as Tensor3D, plan.offsets, false);
    const dh = swigluGrad(h as Tensor2D, g.mul(gate));
    const dRows = groupedMatMul(dh, up as Tensor3D, plan.offsets, false);
    const dGate = gatherRows(a.mul(g).sum(1, true) as Tensor2D, rowOfSlot.reshape([-1]) as Tensor1D);
    const ofTokens = [
      combineRows(dRows, tf.ones(weights.shape as [number, number]), plan),
      dGate.reshape(weights.shape),
    ];
    if (!ofExperts) return ofTokens;
    return [
      ...ofTokens,
      groupedOuter(dh, rows, plan.offsets),
      groupedOuter(dyRows, a.mul(gate), plan.offsets),
    ];
  },
  kernels: {
    wasm: (inputs, { ofExperts }, call) => {
      const { x, weights, up, down, slotOfRow, offsets, h, dy } = inputs;
      const wanted = ofExperts ? [x, weights, up, down] : [x, weights];
      const outputs = wanted.map(({ shape }) => call.output(shape));
      const [dx, dWeights, dUp = 0, dDown = 0] = outputs.map(output => call.address(output)) as [
        number,
        number,
        number?,
        number?,
      ];
      const { on, most, work } = prepare(inputs, call);
      on.mixtureGrad(
        call.address(x),
        call.address(weights),
        call.address(up),
        call.address(down),
        call.address(slotOfRow),
        call.address(offsets),
        call.address(h),
        call.address(dy),
        dx,
        dWeights,
        dUp,
        dDown,
        x.shape[0]!,
        most,
        work,
      );
      return outputs;
    },
    webgpu: (inputs, { ofExperts }, backend) => expertMixtureGradOnDevice(backend, inputs, ofExperts),
  },
});

/**
 * x [N,H], gate weights [N,slots], up [E,2I,H] (gate rows before up rows), down [E,H,I] →
 * y_t = Σ_j weights_tj · down_e · (silu(gate_e x_t) ⊙ up_e x_t), e the expert of slot j; a slot without a row adds
 * nothing. Differentiable in x, weights, up and down. The caller owns the result.
 */
export function expertMixture(
  x: Tensor2D,
  weights: Tensor2D,
  up: Tensor3D,
  down: Tensor3D,
  plan: DispatchPlan,
): Tensor2D {
  const { slotOfRow, rowOfSlot, offsets } = plan;
  return mixtureOp({ x, weights, up, down, slotOfRow, rowOfSlot, offsets }, {})[0] as Tensor2D;
}

function planOf({ slotOfRow, rowOfSlot, offsets }: MixtureInputs): DispatchPlan {
  return {
    slotOfRow: slotOfRow as Tensor1D,
    rowOfSlot: rowOfSlot as Tensor2D,
    offsets: offsets as Tensor1D,
  };
}

/** `prepareMixture` of the plan that `inputs` hold. */
function prepare(
  { weights, down, offsets }: Readonly<Record<'weights' | 'down' | 'offsets', tf.TensorInfo>>,
  call: WasmCall,
): PreparedMixture {
  return prepareMixture(weights, down, call.ints(call.address(offsets), offsets.shape[0]!), call);
}

export interface PreparedMixture {
  readonly on: MoeKernels;
  /** Rows of the busiest expert. */
  readonly most: number;
  /** Address of scratch for those. */
  readonly work: number;
}

/** Tells the kernels the sizes, and allocates for the busiest expert; expert e's rows end at `bounds[e + 1]`. */
export function prepareMixture(
  weights: tf.TensorInfo,
  down: tf.TensorInfo,
  bounds: Int32Array,
  call: WasmCall,
): PreparedMixture {
  const [experts, hidden, inner] = down.shape as [number, number, number];
  const on = kernels(call.backend);
  on.mixtureShape(hidden, inner, experts, weights.shape[1]!);
  const most = bounds.subarray(1).reduce((found, end, e) => Math.max(found, end - bounds[e]!), 0);
  return { on, most, work: call.scratch(on.mixtureWork(most)) };
}
