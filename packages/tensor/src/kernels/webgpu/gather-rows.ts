/** Rows by index: one invocation a value; −1 gives zeros. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';

export function gatherRowsOnDevice(
  backend: WebGPUBackend,
  x: TensorInfo,
  indices: TensorInfo,
): TensorInfo[] | undefined {
  const [rows, width] = x.shape as [number, number];
  const count = indices.shape[0]!;
  if (rows * width * count === 0) return undefined;
  const { taken } = runElementwise(backend, {
    inputs: { x, indices },
    outputs: { taken: { shape: [count, width] } },
    count: count * width,
    sizes: { width },
    body: `
  let row = indices[i / p.width];
  var value = 0.0;
  if (row >= 0) { value = x[u32(row) * p.width + i % p.width]; }
  taken[i] = value;`,
  });
  return [taken];
}
