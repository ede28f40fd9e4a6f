/** Puts this package's kernels in the place of the slow stock ones of the tfjs wasm backend. */
import { _FusedMatMul, BatchMatMul, Max, Mean, Softmax, Sum, Transpose } from '@tensorflow/tfjs-core';
import { batchMatMul, fusedMatMul } from './matmul.ts';
import { reduction } from './reduce.ts';
import { type Replacement, replaceKernel } from './stock.ts';
import { transpose } from './transpose.ts';
import { softmax, UNARY_KERNELS, unary } from './unary.ts';

const REPLACEMENTS: Readonly<Record<string, Replacement>> = {
  [BatchMatMul]: batchMatMul,
  [_FusedMatMul]: fusedMatMul,
  [Transpose]: transpose,
  [Sum]: reduction('sum', 'axis'),
  [Mean]: reduction('mean', 'axis'),
  [Max]: reduction('max', 'reductionIndices'),
  [Softmax]: softmax,
  ...Object.fromEntries(UNARY_KERNELS.map(name => [name, unary(name)])),
};

let registered = false;

/**
 * Registers every replacement; idempotent and synchronous. Call it once `@tensorflow/tfjs-backend-wasm` is
 * imported (which registers the stock kernels), before or after the backend has started.
 */
export function registerWasmKernels(): void {
  if (registered) return;
  registered = true;
  for (const [kernelName, replacement] of Object.entries(REPLACEMENTS))
    replaceKernel(kernelName, replacement);
}
