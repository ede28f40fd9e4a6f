/**
 * Where each routed slot goes: slots sorted by expert, so that every expert's tokens are one contiguous block of
 * rows (dropless dispatch as in MegaBlocks, Gale et al. 2022).
 */
import { defineOp } from '@spectra/tensor';
import type { Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { dispatchPlanOnDevice } from './kernels/webgpu/dispatch-plan.ts';

/** M rows: one per live slot; on webgpu, where a size cannot depend on data, N·slots with dead rows last. */
export interface DispatchPlan {
  /** [M] int32, the flat slot t·slots + j that a row serves; −1 for a dead row. Stable: by slot in an expert. */
  readonly slotOfRow: Tensor1D;
  /** [N,slots] int32, the row of each slot; −1 where nothing was routed. */
  readonly rowOfSlot: Tensor2D;
  /** [E+1] int32, expert e owns rows offsets[e] … offsets[e+1]−1. */
  readonly offsets: Tensor1D;
}

interface PlanAttrs {
  readonly experts: number;
}

const planOp = defineOp<{ indices: tf.Tensor }, PlanAttrs>({
  name: 'DispatchPlan',
  readsBack: true,
  reference: ({ indices }, { experts }) => {
    const { slotOfRow, rowOfSlot, offsets } = sortSlots(indices.dataSync<'int32'>(), experts);
    return [
      tf.tensor1d(slotOfRow, 'int32'),
      tf.tensor2d(rowOfSlot, indices.shape as [number, number], 'int32'),
      tf.tensor1d(offsets, 'int32'),
    ];
  },
  kernels: {
    // what the host sorts lies in wasm memory already
    wasm: ({ indices }, { experts }, call) => {
      const chosen = call.ints(call.address(indices), indices.shape[0]! * indices.shape[1]!);
      const { slotOfRow, rowOfSlot, offsets } = sortSlots(chosen, experts);
      return [slotOfRow, rowOfSlot, offsets].map((list, i) => {
        const out = call.output(i === 1 ? indices.shape : [list.length], 'int32');
        call.ints(call.address(out), list.length).set(list);
        return out;
      });
    },
    webgpu: ({ indices }, { experts }, backend) => dispatchPlanOnDevice(backend, indices, experts),
  },
});

/**
 * Sorts the slots of `indices` [N,slots] (int32, −1: no expert) by expert. The caller owns the plan's tensors.
 * An index ≥ `experts` is treated as no expert only on webgpu; elsewhere routers guarantee the range.
 */
export function dispatchPlan(indices: Tensor2D, experts: number): DispatchPlan {
  const [slotOfRow, rowOfSlot, offsets] = planOp({ indices }, { experts });
  return { slotOfRow: slotOfRow as Tensor1D, rowOfSlot: rowOfSlot as Tensor2D, offsets: offsets as Tensor1D };
}

/** The plan of chosen experts (−1: none) as host arrays: a counting sort, O(N·slots + E). */
export function sortSlots(
  chosen: Int32Array,
  experts: number,
): Readonly<Record<'slotOfRow' | 'rowOfSlot' | 'offsets', Int32Array>> {
  const offsets = new Int32Array(experts + 1);
  for (const e of chosen) if (e >= 0) offsets[e + 1]! += 1;
  for (let e = 0; e < experts; e++) offsets[e + 1]! += offsets[e]!;
  const next = offsets.slice(0, experts);
  const slotOfRow = new Int32Array(offsets[experts]!);
  const rowOfSlot = new Int32Array(chosen.length).fill(-1);
  chosen.forEach((e, slot) => {
    if (e < 0) return;
    const row = next[e]!++;
    slotOfRow[row] = slot;
    rowOfSlot[slot] = row;
  });
  return { slotOfRow, rowOfSlot, offsets };
}
