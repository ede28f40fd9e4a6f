/** Gradients that tfjs has none for. */
import type { Tensor, Tensor1D } from '@tensorflow/tfjs-core';
import {
  add,
  gatherND,
  mul,
  range,
  reshape,
  scalar,
  scatterND,
  tensorScatterUpdate,
  tidy,
  unsortedSegmentSum,
  zeros,
} from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';

export const missingGradients: Repair = {
  fault: 'TopK, GatherNd, ScatterNd and TensorScatterUpdate have no gradient.',
  gradients: {
    TopK: () => ({
      inputsToSave: ['x'],
      outputsToSave: [false, true],
      gradFunc: (dys, saved) => {
        const [x, indices] = saved as [Tensor, Tensor];
        return { x: () => tidy(() => intoRows((dys as Tensor[])[0]!, x.shape, indices)) };
      },
    }),
    GatherNd: () => ({
      inputsToSave: ['params', 'indices'],
      gradFunc: (dy, saved) => {
        const [params, indices] = saved as [Tensor, Tensor];
        return {
          params: () => scatterND(indices, dy as Tensor, params.shape),
          indices: () => zeros(indices.shape),
        };
      },
    }),
    ScatterNd: () => ({
      inputsToSave: ['indices'],
      gradFunc: (dy, saved) => {
        const indices = saved[0] as Tensor;
        return {
          updates: () => gatherND(dy as Tensor, indices),
          indices: () => zeros(indices.shape),
        };
      },
    }),
    TensorScatterUpdate: () => ({
      inputsToSave: ['indices', 'updates'],
      gradFunc: (dy, saved) => {
        const [indices, updates] = saved as [Tensor, Tensor];
        return {
          tensor: () => tensorScatterUpdate(dy as Tensor, indices, zeros(updates.shape)),
          indices: () => zeros(indices.shape),
          updates: () => gatherND(dy as Tensor, indices),
        };
      },
    }),
  },
};

/** dx[…, indices[…, j]] = dy[…, j], 0 elsewhere; the indices of a row differ. */
function intoRows(dy: Tensor, shape: number[], indices: Tensor): Tensor {
  const size = shape.at(-1) as number;
  const k = indices.shape.at(-1) as number;
  if (dy.size === 0) return zeros(shape);
  const rows = dy.size / k;
  const first = reshape(mul(range(0, rows, 1, 'int32'), scalar(size, 'int32')), [rows, 1]);
  const at = reshape(add(reshape(indices, [rows, k]), first), [rows * k]) as Tensor1D;
  return reshape(unsortedSegmentSum(reshape(dy, [rows * k, 1]), at, rows * size), shape);
}
