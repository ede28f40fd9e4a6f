/** Expert choice with capacity on the device, by deferred acceptance in one workgroup. */

import type { WebGPUBackend } from '@spectra/tensor';
import { checkValue } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SelectionSizes } from '../../selection.ts';
import { capacity } from '../../selection.ts';
import { compute, deviceTensor } from './compute.ts';
import { quotaShader } from './quota-wgsl.ts';
import { words } from './select-wgsl.ts';

interface Inputs {
  readonly scores: TensorInfo;
  readonly mask: TensorInfo | undefined;
}

/** The workgroup keeps three words an expert. */
const MOST_EXPERTS = 1024;

export function quotaOnDevice(
  { scores, mask }: Inputs,
  attrs: SelectionSizes & { readonly alpha: number },
  backend: WebGPUBackend,
): TensorInfo[] {
  const { tokens, experts, k, alpha } = attrs;
  checkValue(
    experts <= MOST_EXPERTS,
    `${experts} experts are more than webgpu's ${MOST_EXPERTS}.`,
    'selectQuota',
  );
  const indices = deviceTensor(backend, [tokens, k], 'int32');
  const dropped = deviceTensor(backend, [], 'int32');
  const swaps = deviceTensor(backend, [], 'int32');
  // the capacity for every possible number of live tokens: the device counts them, float64 rounds here
  const counts = mask === undefined ? [tokens] : Array.from({ length: tokens + 1 }, (_, n) => n);
  const caps = Int32Array.from(counts, n => capacity(alpha, n, k, experts));
  const capacities = backend.makeTensorInfo([caps.length], 'int32', caps);
  const held = deviceTensor(backend, [tokens * words(experts)], 'int32');
  const maskType = mask === undefined ? undefined : mask.dtype === 'float32' ? 'f32' : 'i32';
  compute(backend, {
    code: quotaShader(attrs, maskType),
    tensors: [scores, indices, dropped, swaps, capacities, held, ...(mask === undefined ? [] : [mask])],
    uniforms: [tokens],
    workgroups: 1,
  });
  backend.disposeData(capacities.dataId);
  backend.disposeData(held.dataId);
  return [indices, dropped, swaps];
}
