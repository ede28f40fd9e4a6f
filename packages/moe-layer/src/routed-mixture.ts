/**
 * The SwiGLU experts of a layer without a gradient as one operation, from the chosen experts on: the plan of the dispatch
 * and the rows before the activation, which a backward pass would want, stay in scratch.
 */
import { defineOp } from '@spectra/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import { dispatchPlan, sortSlots } from './dispatch-plan.ts';
import { expertMixture, prepareMixture } from './expert-mixture.ts';

const BYTES = 4;

const op = defineOp<Record<'x' | 'weights' | 'up' | 'down' | 'indices', tf.Tensor>, object>({
  name: 'RoutedMixture',
  reference: ({ x, weights, up, down, indices }) => {
    const plan = dispatchPlan(indices as Tensor2D, up.shape[0]!);
    return [expertMixture(x as Tensor2D, weights as Tensor2D, up as Tensor3D, down as Tensor3D, plan)];
  },
  kernels: {
    wasm: (inputs, _, call) => {
      const { x, weights, up, down, indices } = inputs;
      const y = call.output(x.shape);
      const chosen = call.ints(call.address(indices), indices.shape[0]! * indices.shape[1]!);
      const { slotOfRow, offsets } = sortSlots(chosen, up.shape[0]!);
      const h = call.scratch(BYTES * slotOfRow.length * up.shape[1]!);
      const [slotsAt, offsetsAt] = [slotOfRow, offsets].map(list => call.scratch(BYTES * list.length));
      const { on, most, work } = prepareMixture(weights, down, offsets, call);
      call.ints(slotsAt!, slotOfRow.length).set(slotOfRow);
      call.ints(offsetsAt!, offsets.length).set(offsets);
      const [xAt, weightsAt, upAt, downAt, yAt] = [x, weights, up, down, y].map(info => call.address(info));
      on.mixture(xAt!, weightsAt!, upAt!, downAt!, slotsAt!, offsetsAt!, h, yAt!, x.shape[0]!, most, work);
      return [y];
    },
  },
});

/**
 * `expertMixture` of the tokens of `indices` [N,slots] (int32, −1: no expert). Not differentiable; the caller owns the
 * result.
 */
export function routedMixture(
  x: Tensor2D,
  weights: Tensor2D,
  up: Tensor3D,
  down: Tensor3D,
  indices: Tensor2D,
): Tensor2D {
  return op({ x, weights, up, down, indices }, {})[0] as Tensor2D;
}
