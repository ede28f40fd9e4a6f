/**
 * Back-propagation through time on the device. The hidden part of all gates is one matrix product; then one workgroup a
 * sequence walks backwards, turning it in place into its cotangent and carrying that of the state; the weight's gradient
 * is a matrix product again. Six dispatches a layer, no array a position.
 */
import {
  columnSum,
  gemmShader,
  type KernelInputs,
  matMulOnDevice,
  releaseTensors,
  runElementwise,
  runShader,
  tileSide,
  type WebGPUBackend,
} from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { GruGradientInputs } from '../../gru-op.ts';
import { beforeState, fitsSequence, GATES, hiddenGates, WORKGROUP } from './gru.ts';

/** [dProjected, dWeight, dBias, dInitial] */
export function gruGradientOnDevice(
  inputs: KernelInputs<GruGradientInputs>,
  backend: WebGPUBackend,
): TensorInfo[] | undefined {
  const { weight, bias, initial, mask, documentStart, states } = inputs;
  const [batch, positions, size] = states.shape as [number, number, number];
  if (!fitsSequence(batch, positions, size)) return undefined;
  const rows = batch * positions;
  const { previous, flags } = runElementwise(backend, {
    inputs: { initial, states, mask, documentStart },
    // flags: whether the position is a token, and whether the state before it is seen
    outputs: { previous: { shape: [rows, size] }, flags: { shape: [rows, 2] } },
    types: { flags: 'vec2f' },
    count: rows * size,
    sizes: { positions, size },
    declarations: beforeState(documentStart !== undefined),
    body: `
  let t = i / p.size;
  previous[i] = before(t, i % p.size);
  if (i % p.size == 0u) {
    let live = ${mask === undefined ? '1.0' : 'mask[t]'};
    flags[t] = vec2f(live, ${documentStart === undefined ? '1.0' : '1.0 - documentStart[t]'});
  }`,
  });
  const atHidden = hiddenGates(backend, previous, weight, bias);
  const { dProjected, dInitial } = walkBack(inputs, backend, { previous, flags, atHidden });
  if (positions === 1) throughWeight(backend, { atHidden, weight, flags, dInitial });
  const dWeight = matMulOnDevice(backend, { a: atHidden, b: previous }, { transposeA: true })!;
  const dBias = columnSum(backend, {
    inputs: { atHidden },
    rows,
    width: 3 * size,
    value: 'atHidden[t * p.width + c]',
  });
  releaseTensors(backend, previous, flags, atHidden);
  return [dProjected, dWeight, dBias, dInitial];
}

/**
 * The loop. What a cotangent d of the state is multiplied with at each pre-activation uses σ(−a) for 1 − σ(a), which is
 * 0 in float32 long before the other. A single position hands d ⊙ z on; the product with the weight follows.
 */
function walkBack(
  { projected, weight, states, dStates }: KernelInputs<GruGradientInputs>,
  backend: WebGPUBackend,
  { previous, flags, atHidden }: Readonly<Record<'previous' | 'flags' | 'atHidden', TensorInfo>>,
) {
  const [batch, positions, size] = states.shape as [number, number, number];
  const product =
    positions === 1
      ? ''
      : 'for (var row = 0u; row < 3u * G; row++) { sum = fma(gates[row], weight[row * G + j], sum); }';
  return runShader(backend, {
    inputs: { projected, dStates, previous, flags, ...(positions === 1 ? {} : { weight }) },
    updated: { atHidden },
    outputs: { dProjected: { shape: projected.shape }, dInitial: { shape: [batch, size] } },
    types: { flags: 'vec2f' },
    sizes: { positions },
    workgroupSize: WORKGROUP,
    workgroups: batch,
    declarations: `
const G = ${size}u;
var<workgroup> carried: array<f32, G>;
var<workgroup> gates: array<f32, 3 * G>;
${GATES}`,
    body: `
  for (var j = lane; j < G; j += WORKGROUP) { carried[j] = 0.0; }
  for (var back = 1u; back <= p.positions; back++) {
    let t = group * p.positions + p.positions - back;
    let live = flags[t].x;
    workgroupBarrier();
    for (var j = lane; j < G; j += WORKGROUP) {
      let x = 3u * t * G + j;
      let d = carried[j] + dStates[t * G + j];
      let ar = projected[x] + atHidden[x];
      let az = projected[x + G] + atHidden[x + G];
      let hn = atHidden[x + 2u * G];
      let r = sigmoid(ar);
      let z = sigmoid(az);
      let an = projected[x + 2u * G] + r * hn;
      let atN = live * d * sigmoid(-az) * 4.0 * sigmoid(2.0 * an) * sigmoid(-2.0 * an);
      let atR = atN * hn * r * sigmoid(-ar);
      let atZ = live * d * (previous[t * G + j] - safeTanh(an)) * z * sigmoid(-az);
      dProjected[x] = atR;
      dProjected[x + G] = atZ;
      dProjected[x + 2u * G] = atN;
      atHidden[x] = atR;
      atHidden[x + G] = atZ;
      atHidden[x + 2u * G] = atN * r;
      gates[j] = atR;
      gates[j + G] = atZ;
      gates[j + 2u * G] = atN * r;
      carried[j] = d * (live * z + 1.0 - live);
    }
    workgroupBarrier();
    for (var j = lane; j < G; j += WORKGROUP) {
      var sum = carried[j];
      ${product}
      carried[j] = sum * flags[t].y;
    }
  }
  for (var j = lane; j < G; j += WORKGROUP) { dInitial[group * G + j] = carried[j]; }`,
  });
}

/** Adds (atHidden · U) to the cotangent of the state before a single position, where that is seen. */
function throughWeight(
  backend: WebGPUBackend,
  {
    atHidden,
    weight,
    flags,
    dInitial,
  }: Readonly<Record<'atHidden' | 'weight' | 'flags' | 'dInitial', TensorInfo>>,
): void {
  const [rows, size] = dInitial.shape as [number, number];
  const side = tileSide(rows, size, 1);
  const tiles = Math.ceil(size / side);
  runShader(backend, {
    inputs: { atHidden, weight, flags },
    updated: { dInitial },
    types: { flags: 'vec2f' },
    sizes: { rows, size, tiles },
    workgroups: Math.ceil(rows / side) * tiles,
    ...gemmShader(
      {
        a: { value: 'atHidden[m * kEnd + k]', along: 'k' },
        b: { value: 'weight[k * p.size + n]', along: 'n' },
        bounds: `
  let mFirst = group / p.tiles * SIDE;
  let nFirst = group % p.tiles * SIDE;
  let mEnd = p.rows;
  let nEnd = p.size;
  let kFirst = 0u;
  let kEnd = 3u * p.size;`,
        store: 'dInitial[m * p.size + n] += sum * flags[m].y;',
      },
      side,
    ),
  });
}
