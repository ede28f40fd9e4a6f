/**
 * WGSL for what is sequential in a GRU: one workgroup per sequence walks over its positions, so that a layer is one
 * dispatch and not thousands. The state lies in workgroup memory.
 */
import type { WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

type Program = Parameters<WebGPUBackend['runWebGPUProgram']>[0];

const WORKGROUP = 128;
/** Workgroups of one dispatch, and floats of workgroup memory, that every device grants. */
const MOST_WORKGROUPS = 65535;
const MOST_FLOATS = 4096;

/** Whether the kernels take this case; a single position is one product, which the reference does as well. */
export function sequentialOnDevice(batch: number, positions: number, stateSize: number): boolean {
  return positions > 1 && batch > 0 && batch <= MOST_WORKGROUPS && 4 * stateSize <= MOST_FLOATS;
}

function perSequence(
  outputShape: number[],
  variableNames: string[],
  key: string,
  declarations: string,
  body: string,
): Program {
  return {
    outputShape,
    variableNames,
    shaderKey: key,
    workgroupSize: [WORKGROUP, 1, 1],
    dispatchLayout: { x: [0] },
    dispatch: [outputShape[0]!, 1, 1],
    uniforms: 'positions : i32,',
    getUserCode: () => `${declarations}
fn main(index : i32) {
  let b = i32(workgroupId.x);
  let lane = i32(localId.x);
  ${body}
}`,
  };
}

interface ForwardInputs {
  readonly projected: TensorInfo;
  readonly weight: TensorInfo;
  readonly bias: TensorInfo;
  readonly initial: TensorInfo;
  readonly mask?: TensorInfo | undefined;
  readonly documentStart?: TensorInfo | undefined;
}

/** states [B,S,G] */
export function gruForwardOnDevice(inputs: ForwardInputs, backend: WebGPUBackend): TensorInfo[] | undefined {
  const { projected, weight, bias, initial, mask, documentStart } = inputs;
  const [B, S, G] = [projected.shape[0]!, projected.shape[1]!, weight.shape[1]!];
  if (!sequentialOnDevice(B, S, G)) return undefined;
  const flags = [
    mask === undefined ? [] : ['mask'],
    documentStart === undefined ? [] : ['documentStart'],
  ].flat();
  const program = perSequence(
    [B, S, G],
    ['projected', 'weight', 'bias', 'initial', ...flags],
    `spectraGruForward${G}_${flags.join('_')}`,
    `
const G = ${G};
var<workgroup> h : array<f32, ${G}>;
var<workgroup> hidden : array<f32, ${3 * G}>;
fn sigmoid(x : f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }`,
    `
  for (var j = lane; j < G; j += ${WORKGROUP}) { h[j] = initial[b * G + j]; }
  workgroupBarrier();
  for (var s = 0; s < uniforms.positions; s++) {
    let t = b * uniforms.positions + s;
    let live = ${mask === undefined ? 'true' : 'mask[t] != 0.0'};
    let kept = ${documentStart === undefined ? '1.0' : '1.0 - documentStart[t]'};
    for (var row = lane; row < 3 * G; row += ${WORKGROUP}) {
      var sum = 0.0;
      for (var i = 0; i < G; i++) { sum += weight[row * G + i] * h[i]; }
      hidden[row] = bias[row] + kept * sum;
    }
    workgroupBarrier();
    for (var j = lane; j < G; j += ${WORKGROUP}) {
      let x = 3 * t * G + j;
      let before = kept * h[j];
      let r = sigmoid(projected[x] + hidden[j]);
      let z = sigmoid(projected[x + G] + hidden[j + G]);
      // tanh of a large argument is NaN on some devices
      let n = tanh(clamp(projected[x + 2 * G] + r * hidden[j + 2 * G], -15.0, 15.0));
      let next = select(before, n + z * (before - n), live);
      h[j] = next;
      result[t * G + j] = next;
    }
    workgroupBarrier();
  }`,
  );
  const tensors = [projected, weight, bias, initial, mask, documentStart].filter(t => t !== undefined);
  return [backend.runWebGPUProgram(program, tensors, 'float32', [{ type: 'int32', data: [S] }])];
}

interface CotangentInputs {
  readonly dStates: TensorInfo;
  readonly factors: TensorInfo;
  readonly direct: TensorInfo;
  readonly weight: TensorInfo;
}

/** [B,S+1,G]; see `cotangentsReference`. */
export function cotangentsOnDevice(
  inputs: CotangentInputs,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const { dStates, factors, direct, weight } = inputs;
  const [B, S, G] = dStates.shape as [number, number, number];
  if (!sequentialOnDevice(B, S, G)) return undefined;
  const program = perSequence(
    [B, S + 1, G],
    ['dStates', 'factors', 'direct', 'weight'],
    `spectraGruCotangents${G}`,
    `
const G = ${G};
var<workgroup> total : array<f32, ${G}>;
var<workgroup> atHidden : array<f32, ${3 * G}>;`,
    `
  for (var j = lane; j < G; j += ${WORKGROUP}) { total[j] = 0.0; }
  workgroupBarrier();
  for (var s = uniforms.positions - 1; s >= 0; s--) {
    let t = b * uniforms.positions + s;
    for (var j = lane; j < G; j += ${WORKGROUP}) {
      let d = total[j] + dStates[t * G + j];
      total[j] = d;
      result[(t + b + 1) * G + j] = d;
      for (var gate = 0; gate < 3; gate++) {
        atHidden[gate * G + j] = d * factors[(3 * t + gate) * G + j];
      }
    }
    workgroupBarrier();
    for (var j = lane; j < G; j += ${WORKGROUP}) {
      var sum = total[j] * direct[t * G + j];
      for (var row = 0; row < 3 * G; row++) { sum += atHidden[row] * weight[row * G + j]; }
      total[j] = sum;
    }
    workgroupBarrier();
  }
  for (var j = lane; j < G; j += ${WORKGROUP}) { result[b * (uniforms.positions + 1) * G + j] = total[j]; }`,
  );
  const tensors = [dStates, factors, direct, weight];
  return [backend.runWebGPUProgram(program, tensors, 'float32', [{ type: 'int32', data: [S] }])];
}
