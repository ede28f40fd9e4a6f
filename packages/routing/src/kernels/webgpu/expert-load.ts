/** Load counts on the device; integer atomics, so the order of the additions does not matter. */
import type { WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { compute, deviceTensor } from './compute.ts';

const WORKGROUP = 64;

const CODE = `
@group(0) @binding(0) var<storage, read> indices: array<i32>;
@group(0) @binding(1) var<storage, read_write> load: array<atomic<u32>>;
struct Sizes { slots: u32 }
@group(0) @binding(2) var<uniform> sizes: Sizes;

@compute @workgroup_size(${WORKGROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < sizes.slots && indices[id.x] >= 0) { atomicAdd(&load[indices[id.x]], 1u); }
}
`;

export function expertLoadOnDevice(
  { indices }: { readonly indices: TensorInfo },
  { experts }: { readonly experts: number },
  backend: WebGPUBackend,
): TensorInfo[] {
  const load = deviceTensor(backend, [experts], 'int32');
  const slots = indices.shape.reduce((a, b) => a * b, 1);
  compute(backend, {
    code: CODE,
    tensors: [indices, load],
    uniforms: [slots],
    workgroups: Math.ceil(slots / WORKGROUP),
    zeroed: [load],
  });
  return [load];
}
