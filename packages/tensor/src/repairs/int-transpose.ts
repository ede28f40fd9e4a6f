/** Transposing integers and booleans on WebGPU. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { runFlat } from '../kernels/webgpu/flat-program.ts';
import type { Repair } from './repair.ts';
import { present } from './run-kernel.ts';

export const intTranspose: Repair = {
  fault:
    'A transpose of int32 or bool gives zeros or old data at rank 3 and above, and rounds above 2^24 below it.',
  kernels: {
    webgpu: {
      Transpose: stock => call => {
        const x = call.inputs.x as TensorInfo;
        const perm = (call.attrs as unknown as { perm: number[] }).perm;
        if (x.dtype === 'float32' || util.sizeFromShape(x.shape) === 0)
          return present(stock, 'Transpose')(call);
        const shape = perm.map(axis => x.shape[axis] as number);
        return transposed(call.backend, x, perm, shape);
      },
    },
  },
};

/** A plain walk: the coordinate of each output axis, last first, times the stride that axis had in x. */
function transposed(
  backend: object,
  x: TensorInfo,
  perm: readonly number[],
  shape: readonly number[],
): TensorInfo {
  const strides = [...util.computeStrides(x.shape), 1];
  const uniforms: Record<string, number[]> = {};
  const steps = perm.map((axis, i) => {
    uniforms[`axis${i}`] = [shape[i] as number, strides[axis] as number];
    return `source += (rest % uniforms.axis${i}.x) * uniforms.axis${i}.y; rest /= uniforms.axis${i}.x;`;
  });
  return runFlat(backend, {
    key: `transpose_${perm.length}`,
    shape,
    dtype: x.dtype,
    inputs: { x },
    uniforms,
    body: `var rest = index; var source = 0; ${steps.reverse().join(' ')} result[index] = x[source];`,
  });
}
