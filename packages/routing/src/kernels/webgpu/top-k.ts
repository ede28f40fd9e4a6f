/** Top-k on the device: one invocation a token. */
import { runShader, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SelectionSizes } from '../../selection.ts';
import { selectionFunctions } from './select-wgsl.ts';

interface Inputs {
  readonly scores: TensorInfo;
  readonly mask: TensorInfo | undefined;
  readonly atLeast: TensorInfo | undefined;
}

const WORKGROUP = 64;

export function topKOnDevice(inputs: Inputs, sizes: SelectionSizes, backend: WebGPUBackend): TensorInfo[] {
  const { scores, mask, atLeast } = inputs;
  const { indices } = runShader(backend, {
    inputs: { scores, mask, atLeast },
    outputs: { indices: { shape: [sizes.tokens, sizes.k], dtype: 'int32' } },
    types: { scores: 'u32' },
    sizes: { tokens: sizes.tokens },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(sizes.tokens / WORKGROUP),
    declarations: `${selectionFunctions(sizes)}
fn admitted(t: u32, e: u32, key: u32) -> bool {
  ${atLeast === undefined ? 'return true;' : 'return bitcast<f32>(scores[t * E + e]) >= atLeast[e];'}
}`,
    body: `
  let t = group * WORKGROUP + lane;
  if (t >= p.tokens) { return; }
  ${mask === undefined ? '' : `if (mask[t] == ${mask.dtype === 'float32' ? '0.0' : '0'}) { clearChoice(); writeSlots(t); return; }`}
  choose(t);
  writeSlots(t);`,
  });
  return [indices];
}
