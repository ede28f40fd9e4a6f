/** How many slots each expert was given. */
import { checkShape, checkValue, defineOp, noGrad } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { tensor1d, zeros } from '@tensorflow/tfjs-core';
import { kernels } from './kernels/wasm/module.ts';
import { expertLoadOnDevice } from './kernels/webgpu/expert-load.ts';

const op = defineOp<{ readonly indices: Tensor }, { readonly experts: number }>({
  name: 'ExpertLoad',
  readsBack: true,
  reference: ({ indices }, { experts }) => {
    const load = new Int32Array(experts);
    for (const e of indices.dataSync<'int32'>()) if (e >= 0) load[e]! += 1;
    return [tensor1d(load, 'int32')];
  },
  kernels: {
    wasm: ({ indices }, { experts }, call) => {
      const load = call.output([experts], 'int32');
      const count = indices.shape.reduce((a, b) => a * b, 1);
      kernels(call.backend).expertLoad(count, experts, call.address(indices), call.address(load));
      return [load];
    },
    webgpu: expertLoadOnDevice,
  },
});

/**
 * [E] int32: the slots of `indices` (int32, any shape, −1: no expert) that name each expert. Integer counts, so
 * the same on every backend and in every run. A constant; the caller owns it.
 */
export function expertLoad(indices: Tensor2D, experts: number): Tensor1D {
  checkShape([indices.rank], [2], 'expertLoad');
  checkValue(
    Number.isInteger(experts) && experts >= 1,
    `experts must be a positive integer, got ${experts}.`,
    'expertLoad',
  );
  return noGrad(() =>
    indices.size === 0
      ? (zeros([experts], 'int32') as Tensor1D)
      : (op({ indices }, { experts })[0] as Tensor1D),
  );
}
