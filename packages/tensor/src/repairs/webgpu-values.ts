/** Kernels of the WebGPU backend whose values go wrong at the edges. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { runFlat } from '../kernels/webgpu/flat-program.ts';
import type { KernelWrap, Repair } from './repair.ts';
import { present } from './run-kernel.ts';

/** Of a number `v` that is not NaN. */
const UNARY: Readonly<Record<string, string>> = {
  Exp: 'exp(v)',
  Log: 'select(select(log(v), -uniforms.INFINITY, v == 0.0), uniforms.NAN, v < 0.0)',
  Sigmoid: '1.0 / (1.0 + exp(-v))',
  Softplus: 'max(v, 0.0) + log(1.0 + exp(-abs(v)))',
};

function unaryWrap(kernelName: string): KernelWrap {
  return stock => call => {
    const x = call.inputs.x as TensorInfo;
    if (x.dtype !== 'float32') return present(stock, kernelName)(call);
    return runFlat(call.backend, {
      key: kernelName,
      shape: x.shape,
      dtype: 'float32',
      inputs: { x },
      uniforms: {},
      body: `let v = x[index]; result[index] = select(${UNARY[kernelName]}, v, isnan(v));`,
    });
  };
}

export const unaryEdges: Repair = {
  fault: 'exp, sigmoid and softplus of NaN and log of 0 are finite numbers, depending on the driver.',
  kernels: { webgpu: Object.fromEntries(Object.keys(UNARY).map(name => [name, unaryWrap(name)])) },
};

export const realCast: Repair = {
  fault:
    'A cast from an integer or bool renames the dtype and leaves the integers in the buffer, which programs then misread.',
  kernels: {
    webgpu: {
      Cast: stock => call => {
        const x = call.inputs.x as TensorInfo;
        const { dtype } = call.attrs as unknown as { dtype: 'float32' | 'int32' | 'bool' };
        const converts =
          (x.dtype === 'bool' && dtype !== 'bool') || (x.dtype === 'int32' && dtype === 'float32');
        if (!converts || util.sizeFromShape(x.shape) === 0) return present(stock, 'Cast')(call);
        const type = dtype === 'float32' ? 'f32' : 'i32';
        return runFlat(call.backend, {
          key: `cast_${type}`,
          shape: x.shape,
          dtype,
          inputs: { x },
          uniforms: {},
          body: `result[index] = ${type}(x[index]);`,
        });
      },
    },
  },
};
