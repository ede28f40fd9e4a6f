/** Moving tokens to their experts' rows and back; each other's gradients, without atomics. */
import { defineOp, gatherRows, type Op } from '@spectra/tensor';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { DispatchPlan } from './dispatch-plan.ts';
import { kernels } from './kernels/wasm/module.ts';
import { combineRowsOnDevice, dispatchRowsOnDevice } from './kernels/webgpu/rows.ts';

type RowInputs = { x: tf.Tensor; slotOfRow: tf.Tensor; rowOfSlot: tf.Tensor };
type CombineInputs = RowInputs & { weights: tf.Tensor };

const slotsOf = (rowOfSlot: tf.TensorInfo): number => rowOfSlot.shape[1] ?? 1;

const dispatchOp: Op<RowInputs, object> = defineOp({
  name: 'DispatchRows',
  reference: ({ x, slotOfRow, rowOfSlot }) => [
    gatherRows(x as Tensor2D, tokenOfRow(slotOfRow, slotsOf(rowOfSlot))),
  ],
  kernels: { webgpu: (inputs, _, backend) => dispatchRowsOnDevice(backend, inputs) },
  gradient: ({ dys: [dy], inputs: { slotOfRow, rowOfSlot } }) => ({
    x: combineOp({ x: dy!, slotOfRow, rowOfSlot, weights: tf.onesLike(rowOfSlot).cast('float32') }, {})[0]!,
  }),
});

const combineOp: Op<CombineInputs, object> = defineOp({
  name: 'CombineRows',
  reference: ({ x, rowOfSlot, weights }) => [
    tf.addN(
      tf
        .unstack(rowOfSlot, 1)
        .map((rows, j) => gatherRows(x as Tensor2D, rows as Tensor1D).mul(weights.slice([0, j], [-1, 1]))),
    ),
  ],
  kernels: {
    wasm: ({ x, rowOfSlot, weights }, _, call) => {
      const [tokens, slots] = [rowOfSlot.shape[0]!, slotsOf(rowOfSlot)];
      const out = call.output([tokens, x.shape[1]!]);
      kernels(call.backend).combineRows(
        call.address(x),
        call.address(rowOfSlot),
        call.address(weights),
        call.address(out),
        tokens,
        slots,
        x.shape[1]!,
      );
      return [out];
    },
    webgpu: (inputs, _, backend) => combineRowsOnDevice(backend, inputs),
  },
  gradient: ({ dys: [dy], inputs: { x, slotOfRow, rowOfSlot, weights } }) => {
    const rowWeight = gatherRows(weights.reshape([-1, 1]), slotOfRow as Tensor1D);
    const [moved] = dispatchOp({ x: dy!, slotOfRow, rowOfSlot }, {});
    const perRow = moved!.mul(x).sum(1, true) as Tensor2D;
    const dWeights = gatherRows(perRow, rowOfSlot.reshape([-1]) as Tensor1D);
    return { x: moved!.mul(rowWeight), weights: dWeights.reshape(weights.shape) };
  },
});

/** x [N,H] → [M,H]: row r is the token that row r of the plan serves; dead rows are 0. Differentiable in x. */
export function dispatchRows(x: Tensor2D, plan: DispatchPlan): Tensor2D {
  return dispatchOp({ x, slotOfRow: plan.slotOfRow, rowOfSlot: plan.rowOfSlot }, {})[0] as Tensor2D;
}

/**
 * rows [M,H], weights [N,slots] → [N,H]: y_t = Σ_j weights_tj · rows[rowOfSlot_tj], empty slots adding nothing.
 * Differentiable in rows and weights.
 */
export function combineRows(rows: Tensor2D, weights: Tensor2D, plan: DispatchPlan): Tensor2D {
  return combineOp(
    { x: rows, weights, slotOfRow: plan.slotOfRow, rowOfSlot: plan.rowOfSlot },
    {},
  )[0] as Tensor2D;
}

/** The token of each row, −1 for dead rows. */
function tokenOfRow(slotOfRow: tf.Tensor, slots: number): Tensor1D {
  if (slots === 1) return slotOfRow as Tensor1D;
  // integer division is exact for non-negative int32; −1 must stay −1
  return tf.where(
    slotOfRow.greaterEqual(0),
    slotOfRow.maximum(tf.scalar(0, 'int32')).floorDiv(tf.scalar(slots, 'int32')),
    slotOfRow,
  ) as Tensor1D;
}
