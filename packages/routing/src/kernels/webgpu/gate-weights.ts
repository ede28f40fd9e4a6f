/** Gate weights and their gradient on the device: one invocation a token. */
import { runShader, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { GateSizes } from '../../gate-weights.ts';

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

/** One invocation a token. */
function perToken(tokens: number, body: string) {
  return {
    sizes: { tokens },
    workgroupSize: WORKGROUP,
    workgroups: Math.ceil(tokens / WORKGROUP),
    body: `
  let t = group * WORKGROUP + lane;
  if (t >= p.tokens) { return; }
${body}`,
  } as const;
}

export function gateForwardOnDevice(
  inputs: ForwardInputs,
  sizes: GateSizes,
  backend: WebGPUBackend,
): TensorInfo[] {
  const mass = { raw: 's', share: 's', log: 'select(exp(s - most), 0.0, closed(s))' }[sizes.kind];
  const { weights } = runShader(backend, {
    inputs: { scores: inputs.scores, indices: inputs.indices },
    outputs: { weights: { shape: [sizes.tokens, sizes.slots] } },
    declarations: `${constants(sizes)}
fn massOf(s: f32, most: f32) -> f32 { return ${mass}; }`,
    ...perToken(
      sizes.tokens,
      `
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
  }`,
    ),
  });
  return [weights];
}

export function gateBackwardOnDevice(
  inputs: BackwardInputs,
  sizes: GateSizes,
  backend: WebGPUBackend,
): TensorInfo[] {
  const value = {
    raw: 'dy[slot]',
    share: 'select(0.0, (dy[slot] - mean) / select(1.0, total, total > 0.0), total > 0.0)',
    log: 'select(weights[slot] * (dy[slot] - mean), 0.0, closed(score(t, slot)))',
  }[sizes.kind];
  const { scores, indices, weights, dy } = inputs;
  const { gradient } = runShader(backend, {
    inputs: { scores, indices, weights, dy },
    outputs: { gradient: { shape: [sizes.tokens, sizes.experts], zeroed: true } },
    declarations: constants(sizes),
    ...perToken(
      sizes.tokens,
      `
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
  }`,
    ),
  });
  return [gradient];
}
