/**
 * The recurrence of a GRU on the device: one workgroup a sequence walks over its positions, so that a layer is one
 * dispatch and not thousands. The state lies in workgroup memory; the weight, transposed so that neighbours read
 * neighbours, comes from the cache at every position: 2 operations for 4 bytes, the cache's speed is the limit. A single
 * position (a token decoded, or recurrence over depth) is a matrix product instead.
 */
import {
  gemmShader,
  type KernelInputs,
  releaseTensors,
  runElementwise,
  runShader,
  tileSide,
  type WebGPUBackend,
  WORKGROUP_BYTES,
} from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { GruInputs } from '../../gru-op.ts';

export const WORKGROUP = 256;

/** Whether a sequence's state and gates fit into workgroup memory, and there is anything to do. */
export function fitsSequence(batch: number, positions: number, stateSize: number): boolean {
  return batch * positions * stateSize > 0 && 16 * stateSize <= WORKGROUP_BYTES;
}

/** σ, and tanh, which is NaN of a large argument on some devices. */
export const GATES = `
fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }
fn safeTanh(x: f32) -> f32 { return tanh(clamp(x, -15.0, 15.0)); }`;

/** states [B,S,G] */
export function gruForwardOnDevice(
  inputs: KernelInputs<GruInputs>,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const { projected, weight } = inputs;
  const [batch, positions, size] = [projected.shape[0]!, projected.shape[1]!, weight.shape[1]!];
  if (!fitsSequence(batch, positions, size)) return undefined;
  return [positions === 1 ? onePosition(inputs, backend) : sequences(inputs, backend)];
}

function sequences(
  { projected, weight, bias, initial, mask, documentStart }: KernelInputs<GruInputs>,
  backend: WebGPUBackend,
): TensorInfo {
  const [batch, positions, size] = [projected.shape[0]!, projected.shape[1]!, weight.shape[1]!];
  const { transposed } = runElementwise(backend, {
    inputs: { weight },
    outputs: { transposed: { shape: [size, 3 * size] } },
    count: 3 * size * size,
    sizes: { size },
    body: '  transposed[i] = weight[i % (3u * p.size) * p.size + i / (3u * p.size)];',
  });
  const { states } = runShader(backend, {
    inputs: { projected, transposed, bias, initial, mask, documentStart },
    outputs: { states: { shape: [batch, positions, size] } },
    sizes: { positions },
    workgroupSize: WORKGROUP,
    workgroups: batch,
    declarations: `
const G = ${size}u;
var<workgroup> h: array<f32, G>;
var<workgroup> hidden: array<f32, 3 * G>;
${GATES}`,
    body: `
  for (var j = lane; j < G; j += WORKGROUP) { h[j] = initial[group * G + j]; }
  workgroupBarrier();
  for (var s = 0u; s < p.positions; s++) {
    let t = group * p.positions + s;
    let live = ${mask === undefined ? 'true' : 'mask[t] != 0.0'};
    let kept = ${documentStart === undefined ? '1.0' : '1.0 - documentStart[t]'};
    for (var row = lane; row < 3u * G; row += WORKGROUP) {
      var sum = 0.0;
      for (var k = 0u; k < G; k++) { sum = fma(transposed[k * 3u * G + row], h[k], sum); }
      hidden[row] = bias[row] + kept * sum;
    }
    workgroupBarrier();
    for (var j = lane; j < G; j += WORKGROUP) {
      let x = 3u * t * G + j;
      let before = kept * h[j];
      let r = sigmoid(projected[x] + hidden[j]);
      let z = sigmoid(projected[x + G] + hidden[j + G]);
      let n = safeTanh(projected[x + 2u * G] + r * hidden[j + 2u * G]);
      let next = select(before, n + z * (before - n), live);
      h[j] = next;
      states[t * G + j] = next;
    }
    workgroupBarrier();
  }`,
  });
  releaseTensors(backend, transposed);
  return states;
}

/** The state before each position: \`before(t, j)\`, of the row t = sequence·positions + position. */
export function beforeState(documentStart: boolean): string {
  return `
fn before(t: u32, j: u32) -> f32 {
  ${documentStart ? 'if (documentStart[t] != 0.0) { return 0.0; }' : ''}
  let s = t % p.positions;
  if (s == 0u) { return initial[t / p.positions * p.size + j]; }
  return states[(t - 1u) * p.size + j];
}`;
}

/** before·Uᵀ + c [B·S,3G]: what the gates of all positions get from the state before them. */
export function hiddenGates(
  backend: WebGPUBackend,
  before: TensorInfo,
  weight: TensorInfo,
  bias: TensorInfo,
): TensorInfo {
  const [rows, size] = before.shape as [number, number];
  const side = tileSide(rows, 3 * size, 1);
  const tiles = Math.ceil((3 * size) / side);
  return runShader(backend, {
    inputs: { before, weight, bias },
    outputs: { hidden: { shape: [rows, 3 * size] } },
    sizes: { rows, size, tiles },
    workgroups: Math.ceil(rows / side) * tiles,
    ...gemmShader(
      {
        a: { value: 'before[m * p.size + k]', along: 'k' },
        b: { value: 'weight[n * p.size + k]', along: 'k' },
        bounds: `
  let mFirst = group / p.tiles * SIDE;
  let nFirst = group % p.tiles * SIDE;
  let mEnd = p.rows;
  let nEnd = 3u * p.size;
  let kFirst = 0u;
  let kEnd = p.size;`,
        store: 'hidden[m * nEnd + n] = bias[n] + sum;',
      },
      side,
    ),
  }).hidden;
}

function onePosition(
  { projected, weight, bias, initial, mask, documentStart }: KernelInputs<GruInputs>,
  backend: WebGPUBackend,
): TensorInfo {
  const [batch, size] = initial.shape as [number, number];
  const started =
    documentStart === undefined
      ? undefined
      : runElementwise(backend, {
          inputs: { initial, documentStart },
          outputs: { before: { shape: [batch, size] } },
          count: batch * size,
          sizes: { size },
          body: '  before[i] = select(initial[i], 0.0, documentStart[i / p.size] != 0.0);',
        }).before;
  const before = started ?? initial;
  const hidden = hiddenGates(backend, before, weight, bias);
  const { states } = runElementwise(backend, {
    inputs: { projected, hidden, before, mask },
    outputs: { states: { shape: [batch, 1, size] } },
    count: batch * size,
    sizes: { size },
    declarations: GATES,
    body: `
  let x = i / p.size * 3u * p.size + i % p.size;
  let r = sigmoid(projected[x] + hidden[x]);
  let z = sigmoid(projected[x + p.size] + hidden[x + p.size]);
  let n = safeTanh(projected[x + 2u * p.size] + r * hidden[x + 2u * p.size]);
  let next = n + z * (before[i] - n);
  states[i] = ${mask === undefined ? 'next' : 'select(before[i], next, mask[i / p.size] != 0.0)'};`,
  });
  releaseTensors(backend, hidden);
  if (started !== undefined) releaseTensors(backend, started);
  return states;
}
