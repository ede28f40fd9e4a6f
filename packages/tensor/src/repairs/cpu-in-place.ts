/** Scattering into a tensor on cpu. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';
import { filled, present, release, single } from './run-kernel.ts';

export const scatterUpdateCopy: Repair = {
  fault: 'tensorScatterUpdate writes into its input.',
  kernels: {
    cpu: {
      TensorScatterUpdate: stock => call => {
        const tensor = call.inputs.tensor as TensorInfo;
        const values = (call.backend as { readSync(id: object): Float32Array | Int32Array }).readSync(
          tensor.dataId,
        );
        const copy = filled(call.backend, tensor.shape, tensor.dtype, values.slice());
        const out = single(present(stock, 'TensorScatterUpdate'), {
          ...call,
          inputs: { ...call.inputs, tensor: copy },
        });
        release(call.backend, copy);
        return out;
      },
    },
  },
};
