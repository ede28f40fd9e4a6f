/** Kernels of the wasm backend that copy or convert wrongly. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';
import { filled, present, release, runKernel, single } from './run-kernel.ts';

export const sharedIdentity: Repair = {
  fault: 'Identity copies the data, as every tensor saved for a gradient is then copied.',
  kernels: {
    wasm: {
      Identity: () => call => {
        const x = call.inputs.x as TensorInfo;
        (call.backend as BackendWasm).incRef(x.dataId);
        return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
      },
    },
  },
};

function run(backend: object, name: string, inputs: Record<string, TensorInfo>, attrs = {}): TensorInfo {
  return runKernel(name, 'wasm', backend, inputs, attrs);
}

export const wasmBooleans: Repair = {
  fault: 'A cast to bool keeps the number or a byte of it, and a reversed bool tensor is scrambled.',
  kernels: {
    wasm: {
      Cast: stock => call => {
        const x = call.inputs.x as TensorInfo;
        const { dtype } = call.attrs as unknown as { dtype: string };
        if (dtype !== 'bool' || x.dtype === 'bool') return present(stock, 'Cast')(call);
        const zero = filled(call.backend, [], x.dtype, 0);
        const out = run(call.backend, 'NotEqual', { a: x, b: zero });
        release(call.backend, zero);
        return out;
      },
      Reverse: stock => call => {
        const x = call.inputs.x as TensorInfo;
        const kernel = present(stock, 'Reverse');
        if (x.dtype !== 'bool') return kernel(call);
        const whole = run(call.backend, 'Cast', { x }, { dtype: 'int32' });
        const reversed = single(kernel, { ...call, inputs: { x: whole } });
        const out = run(call.backend, 'Cast', { x: reversed }, { dtype: 'bool' });
        release(call.backend, whole, reversed);
        return out;
      },
    },
  },
};

export const clipNaN: Repair = {
  fault: 'clipByValue turns NaN into its lower bound.',
  kernels: {
    wasm: {
      ClipByValue: () => call => {
        const x = call.inputs.x as TensorInfo;
        const { clipValueMin, clipValueMax } = call.attrs as unknown as {
          clipValueMin: number;
          clipValueMax: number;
        };
        const [low, high] = [clipValueMin, clipValueMax].map(v => filled(call.backend, [], x.dtype, v));
        const above = run(call.backend, 'Maximum', { a: x, b: low! });
        const out = run(call.backend, 'Minimum', { a: above, b: high! });
        release(call.backend, low!, high!, above);
        return out;
      },
    },
  },
};
