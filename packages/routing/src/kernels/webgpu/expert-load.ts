/** Load counts on the device; integer atomics, so the order of the additions does not matter. */
import { runShader, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';

const WORKGROUP = 64;

export function expertLoadOnDevice(
  { indices }: { readonly indices: TensorInfo },
  { experts }: { readonly experts: number },
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const slots = util.sizeFromShape(indices.shape);
  if (slots === 0) return undefined;
  const { load } = runShader(backend, {
    inputs: { indices },
    outputs: { load: { shape: [experts], dtype: 'int32', zeroed: true } },
    types: { load: 'atomic<u32>' },
    sizes: { slots },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(slots / WORKGROUP),
    body: `
  let slot = group * WORKGROUP + lane;
  if (slot < p.slots && indices[slot] >= 0) { atomicAdd(&load[indices[slot]], 1u); }`,
  });
  return [load];
}
