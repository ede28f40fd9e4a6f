/** Expert choice with capacity on the device, by deferred acceptance in one workgroup. */

import { checkValue, releaseTensors, runShader, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SelectionSizes } from '../../selection.ts';
import { capacity } from '../../selection.ts';
import { quotaShader } from './quota-wgsl.ts';
import { THREADS, words } from './select-wgsl.ts';

interface Inputs {
  readonly scores: TensorInfo;
  readonly mask: TensorInfo | undefined;
}

/** Three words an expert and 4,124 bytes besides are in the 16,384 of workgroup memory that every device has. */
const MOST_EXPERTS = 1021;

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
  // the capacity for every possible number of live tokens: the device counts them, float64 rounds here
  const counts = mask === undefined ? [tokens] : Array.from({ length: tokens + 1 }, (_, n) => n);
  const caps = Int32Array.from(counts, n => capacity(alpha, n, k, experts));
  const capacities = backend.makeTensorInfo([caps.length], 'int32', caps);
  const { indices, dropped, swaps, held } = runShader(backend, {
    inputs: { scores, capacities, mask },
    outputs: {
      indices: { shape: [tokens, k], dtype: 'int32' },
      dropped: { shape: [], dtype: 'int32' },
      swaps: { shape: [], dtype: 'int32' },
      held: { shape: [tokens * words(experts)], dtype: 'int32' },
    },
    types: { scores: 'u32', capacities: 'u32', held: 'u32' },
    sizes: { tokens },
    workgroupSize: THREADS,
    workgroups: 1,
    ...quotaShader(attrs, mask === undefined ? undefined : mask.dtype === 'float32' ? 'f32' : 'i32'),
  });
  releaseTensors(backend, capacities, held);
  return [indices, dropped, swaps];
}
