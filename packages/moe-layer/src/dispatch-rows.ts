/** Moving tokens to their experts' rows and back; each other's gradients, without atomics. */
import { defineOp, type Op } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { DispatchPlan } from './dispatch-plan.ts';
import { kernels } from './kernels/wasm/module.ts';

type RowInputs = { x: tf.Tensor; slotOfRow: tf.Tensor; rowOfSlot: tf.Tensor };
type CombineInputs = RowInputs & { weights: tf.Tensor };

const slotsOf = (rowOfSlot: tf.TensorInfo): number => rowOfSlot.shape[1] ?? 1;

const dispatchOp: Op<RowInputs, object> = defineOp({
  name: 'DispatchRows',
  reference: ({ x, slotOfRow, rowOfSlot }) => [takeRows(x, tokenOfRow(slotOfRow, slotsOf(rowOfSlot)))],
  kernels: {
    wasm: ({ x, slotOfRow, rowOfSlot }, _, call) => {
      const [rows, width] = [slotOfRow.shape[0]!, x.shape[1]!];
      const out = call.output([rows, width]);
      kernels(call.backend).dispatchRows(
        call.address(x),
        call.address(slotOfRow),
        call.address(out),
        rows,
        width,
        slotsOf(rowOfSlot),
      );
      return [out];
    },
  },
  gradient: ({ dys: [dy], inputs: { slotOfRow, rowOfSlot } }) => ({
    x: combineOp({ x: dy!, slotOfRow, rowOfSlot, weights: tf.onesLike(rowOfSlot).cast('float32') }, {})[0]!,
  }),
});

const combineOp: Op<CombineInputs, object> = defineOp({
  name: 'CombineRows',
  reference: ({ x, rowOfSlot, weights }) => [
    tf.addN(tf.unstack(rowOfSlot, 1).map((rows, j) => takeRows(x, rows).mul(weights.slice([0, j], [-1, 1])))),
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
  },
  gradient: ({ dys: [dy], inputs: { x, slotOfRow, rowOfSlot, weights } }) => {
    const slots = slotsOf(rowOfSlot);
    const rowWeight = takeRows(weights.reshape([-1, 1]), slotOfRow);
    const [moved] = dispatchOp({ x: dy!, slotOfRow, rowOfSlot }, {});
    const perRow = moved!.mul(x).sum(1, true);
    const dWeights = tf.unstack(rowOfSlot, 1).map(rows => takeRows(perRow, rows));
    return { x: moved!.mul(rowWeight), weights: slots === 1 ? dWeights[0]! : tf.concat(dWeights, 1) };
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
function tokenOfRow(slotOfRow: tf.Tensor, slots: number): tf.Tensor {
  if (slots === 1) return slotOfRow;
  // integer division is exact for non-negative int32; −1 must stay −1
  return tf.where(
    slotOfRow.greaterEqual(0),
    slotOfRow.maximum(tf.scalar(0, 'int32')).floorDiv(tf.scalar(slots, 'int32')),
    slotOfRow,
  );
}

/** Rows of x by index, zeros for −1. Never runs on the tape. */
function takeRows(x: tf.Tensor, indices: tf.Tensor): tf.Tensor {
  if (x.shape[0] === 0 || indices.size === 0) return tf.zeros([indices.size, ...x.shape.slice(1)]);
  const live = indices.greaterEqual(0).cast('float32').expandDims(1);
  return tf.gather(x, indices.maximum(tf.scalar(0, 'int32')) as tf.Tensor1D).mul(live);
}
