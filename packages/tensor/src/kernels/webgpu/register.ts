/** Puts our matrix product in the place of the WebGPU backend's. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { BatchMatMul, getKernel, registerKernel, unregisterKernel } from '@tensorflow/tfjs-core';
import { kernelChoice } from '../../kernel-choice.ts';
import { type MatMulAttrs, matMulOnDevice } from './gemm.ts';

let registered = false;

/** Nothing with `SPECTRA_KERNELS=reference`. Idempotent. Call it once `@tensorflow/tfjs-backend-webgpu` is imported, before the repairs, which wrap kernels. */
export function registerWebGPUKernels(): void {
  if (registered || kernelChoice() === 'reference') return;
  const stock = getKernel(BatchMatMul, 'webgpu') as KernelConfig | undefined;
  if (stock === undefined) return;
  registered = true;
  unregisterKernel(BatchMatMul, 'webgpu');
  registerKernel({
    kernelName: BatchMatMul,
    backendName: 'webgpu',
    kernelFunc: call => {
      const inputs = call.inputs as Readonly<Record<'a' | 'b', TensorInfo>>;
      const made = matMulOnDevice(call.backend as WebGPUBackend, inputs, (call.attrs ?? {}) as MatMulAttrs);
      return made ?? stock.kernelFunc(call);
    },
  });
}
