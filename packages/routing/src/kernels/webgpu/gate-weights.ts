/** Gate weights and their gradient on the device: one invocation a token. */
import type { WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { GateSizes } from '../../gate-weights.ts';
import { compute, deviceTensor } from './compute.ts';

interface ForwardInputs {
  readonly scores: TensorInfo;
  readonly indices: TensorInfo;
}
interface BackwardInputs extends ForwardInputs {
  readonly weights: TensorInfo;
  readonly dy: TensorInfo;
}

const WORKGROUP = 64;

function constants({ experts, slots, groups }: GateSizes): string {
  return `
const E = ${experts}u;
const SLOTS = ${slots}u;
const GROUPS = ${groups}u;
const WIDTH = ${experts / groups};
// by its bits: WGSL may assume that floats are finite
fn closed(s: f32) -> bool { return bitcast<u32>(s) == 0xff800000u; }
fn held(slot: u32, g: u32) -> bool { let e = indices[slot]; return e >= i32(g) * WIDTH && e < i32(g + 1u) * WIDTH; }
fn score(t: u32, slot: u32) -> f32 { return scores[t * E + u32(indices[slot])]; }
`;
}

function perToken(body: string): string {
  return `
@compute @workgroup_size(${WORKGROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= sizes.tokens) { return; }
  ${body}
}
`;
}

export function gateForwardOnDevice(
  inputs: ForwardInputs,
  sizes: GateSizes,
  backend: WebGPUBackend,
): TensorInfo[] {
  const weights = deviceTensor(backend, [sizes.tokens, sizes.slots], 'float32');
  const mass = { raw: 's', share: 's', log: 'select(exp(s - most), 0.0, closed(s))' }[sizes.kind];
  const code = `
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read_write> weights: array<f32>;
struct Sizes { tokens: u32 }
@group(0) @binding(3) var<uniform> sizes: Sizes;
${constants(sizes)}
fn massOf(s: f32, most: f32) -> f32 { return ${mass}; }
${perToken(`
  for (var slot = t * SLOTS; slot < (t + 1u) * SLOTS; slot++) { weights[slot] = 0.0; }
  for (var g = 0u; g < GROUPS; g++) {
    var count = 0.0;
    var most = 0.0;
    for (var slot = t * SLOTS; slot < (t + 1u) * SLOTS; slot++) {
      if (!held(slot, g)) { continue; }
      let s = score(t, slot);
      if (count == 0.0 || s > most) { most = s; }
      count += 1.0;
    }
    var total = 0.0;
    for (var slot = t * SLOTS; slot < (t + 1u) * SLOTS; slot++) {
      if (held(slot, g)) { total += massOf(score(t, slot), most); }
    }
    for (var slot = t * SLOTS; slot < (t + 1u) * SLOTS; slot++) {
      if (!held(slot, g)) { continue; }
      ${
        sizes.kind === 'raw'
          ? 'weights[slot] = score(t, slot);'
          : 'if (total > 0.0) { weights[slot] = massOf(score(t, slot), most) / total; } else { weights[slot] = 1.0 / count; }'
      }
    }
  }`)}`;
  compute(backend, {
    code,
    tensors: [inputs.scores, inputs.indices, weights],
    uniforms: [sizes.tokens],
    workgroups: Math.ceil(sizes.tokens / WORKGROUP),
  });
  return [weights];
}

export function gateBackwardOnDevice(
  inputs: BackwardInputs,
  sizes: GateSizes,
  backend: WebGPUBackend,
): TensorInfo[] {
  const gradient = deviceTensor(backend, [sizes.tokens, sizes.experts], 'float32');
  const value = {
    raw: 'dy[slot]',
    share: 'select(0.0, (dy[slot] - mean) / select(1.0, total, total > 0.0), total > 0.0)',
    log: 'select(weights[slot] * (dy[slot] - mean), 0.0, closed(score(t, slot)))',
  }[sizes.kind];
  const code = `
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> indices: array<i32>;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> gradient: array<f32>;
struct Sizes { tokens: u32 }
@group(0) @binding(5) var<uniform> sizes: Sizes;
${constants(sizes)}
${perToken(`
  for (var g = 0u; g < GROUPS; g++) {
    var total = 0.0;
    var mean = 0.0;
    for (var slot = t * SLOTS; slot < (t + 1u) * SLOTS; slot++) {
      if (!held(slot, g)) { continue; }
      total += score(t, slot);
      mean += weights[slot] * dy[slot];
    }
    for (var slot = t * SLOTS; slot < (t + 1u) * SLOTS; slot++) {
      if (held(slot, g)) { gradient[t * E + u32(indices[slot])] = ${value}; }
    }
  }`)}`;
  compute(backend, {
    code,
    // every binding must be read by the shader, or the automatic layout leaves it out
    tensors: [inputs.scores, inputs.indices, inputs.weights, inputs.dy, gradient],
    uniforms: [sizes.tokens],
    workgroups: Math.ceil(sizes.tokens / WORKGROUP),
    zeroed: [gradient],
  });
  return [gradient];
}
