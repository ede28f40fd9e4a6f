/** Top-k on the device: one invocation a token. */
import type { WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { SelectionSizes } from '../../selection.ts';
import { compute, deviceTensor } from './compute.ts';
import { selectionFunctions } from './select-wgsl.ts';

interface Inputs {
  readonly scores: TensorInfo;
  readonly mask: TensorInfo | undefined;
  readonly above: TensorInfo | undefined;
}

const WORKGROUP = 64;

export function topKOnDevice(inputs: Inputs, sizes: SelectionSizes, backend: WebGPUBackend): TensorInfo[] {
  const { scores, mask, above } = inputs;
  const indices = deviceTensor(backend, [sizes.tokens, sizes.k], 'int32');
  const tensors = [scores, indices, mask, above].filter(tensor => tensor !== undefined);
  const maskAt = mask === undefined ? -1 : 2;
  const aboveAt = above === undefined ? -1 : tensors.length - 1;
  compute(backend, {
    code: shader(sizes, mask?.dtype === 'float32' ? 'f32' : 'i32', maskAt, aboveAt, tensors.length),
    tensors,
    uniforms: [sizes.tokens],
    workgroups: Math.ceil(sizes.tokens / WORKGROUP),
  });
  return [indices];
}

function shader(
  sizes: SelectionSizes,
  maskType: string,
  mask: number,
  above: number,
  uniform: number,
): string {
  return `
@group(0) @binding(0) var<storage, read> scores: array<u32>;
@group(0) @binding(1) var<storage, read_write> indices: array<i32>;
${mask < 0 ? '' : `@group(0) @binding(${mask}) var<storage, read> mask: array<${maskType}>;`}
${above < 0 ? '' : `@group(0) @binding(${above}) var<storage, read> above: array<f32>;`}
struct Sizes { tokens: u32 }
@group(0) @binding(${uniform}) var<uniform> sizes: Sizes;
${selectionFunctions(sizes)}
fn admitted(t: u32, e: u32, key: u32) -> bool {
  ${above < 0 ? 'return true;' : 'return bitcast<f32>(scores[t * E + e]) > above[e];'}
}

@compute @workgroup_size(${WORKGROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= sizes.tokens) { return; }
  ${mask < 0 ? '' : `if (mask[t] == ${maskType === 'f32' ? '0.0' : '0'}) { clearChoice(); writeSlots(t); return; }`}
  choose(t);
  writeSlots(t);
}
`;
}
