/**
 * SwiGLU experts from the tokens and back. Forward: a grouped product that takes its rows from their tokens, one that
 * takes the activation of the first, and the sum of a token's slots. Backward: six dispatches; activations are made
 * again where they are wanted, so that besides h [M,2I] only two arrays of M rows exist at a time.
 */
import {
  releaseTensors,
  runShader,
  type WebGPUBackend,
  weightSource,
  workgroupReductions,
} from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { groupedOuterProduct, groupedProduct } from './grouped-gemm.ts';
import { combineRowsOnDevice } from './rows.ts';

type Named<K extends string> = Readonly<Record<K, TensorInfo>>;
type MixtureTensors = Named<'x' | 'weights' | 'up' | 'down' | 'slotOfRow' | 'rowOfSlot' | 'offsets'>;

/** The token of a row, and silu(gate) ⊙ up of it. */
const TOKEN = 'fn token(row: u32) -> u32 { return u32(slotOfRow[row]) / p.slots; }';
const ACTIVATION = `
fn activation(row: u32, i: u32) -> f32 {
  let gate = h[row * 2u * p.inner + i];
  return gate / (1.0 + exp(-gate)) * h[(row * 2u + 1u) * p.inner + i];
}`;

interface Sizes {
  readonly rows: number;
  readonly hidden: number;
  readonly inner: number;
  readonly slots: number;
}

function sizesOf({ x, weights, down, slotOfRow }: MixtureTensors): Sizes | undefined {
  const sizes = {
    rows: slotOfRow.shape[0]!,
    hidden: x.shape[1]!,
    inner: down.shape[2]!,
    slots: weights.shape[1]!,
  };
  return Object.values(sizes).some(size => size === 0) ? undefined : sizes;
}

/** [y [N,H], h [M,2I] before the activation] */
export function expertMixtureOnDevice(
  backend: WebGPUBackend,
  inputs: MixtureTensors,
): TensorInfo[] | undefined {
  const sizes = sizesOf(inputs);
  if (sizes === undefined) return undefined;
  const { x, weights, up, down, slotOfRow, rowOfSlot, offsets } = inputs;
  const { rows, hidden, inner, slots } = sizes;
  const [upSource, downSource] = [weightSource('up', up), weightSource('down', down)];
  const h = groupedProduct(
    backend,
    {
      inputs: { x, up: upSource.tensor, slotOfRow },
      types: upSource.types,
      offsets,
      sizes: { slots },
      declarations: TOKEN + upSource.declarations,
      a: { value: 'x[token(m) * p.k + k]', along: 'k' },
      b: { value: upSource.at('(e * p.n + n) * p.k + k'), along: 'k' },
    },
    [rows, 2 * inner, hidden],
  );
  const out = groupedProduct(
    backend,
    {
      inputs: { h, down: downSource.tensor },
      types: downSource.types,
      offsets,
      sizes: { inner },
      declarations: ACTIVATION + downSource.declarations,
      a: { value: 'activation(m, k)', along: 'k' },
      b: { value: downSource.at('(e * p.n + n) * p.k + k'), along: 'k' },
    },
    [rows, hidden, inner],
  );
  const combined = combineRowsOnDevice(backend, { x: out, rowOfSlot, weights });
  releaseTensors(backend, out);
  return combined === undefined ? undefined : [combined[0]!, h];
}

/** [dx, dweights, dup, ddown], without the last two where `ofExperts` is false. */
export function expertMixtureGradOnDevice(
  backend: WebGPUBackend,
  inputs: MixtureTensors & Named<'h' | 'dy'>,
  ofExperts: boolean,
): TensorInfo[] | undefined {
  const sizes = sizesOf(inputs);
  if (sizes === undefined) return undefined;
  const { x, weights, up, down, slotOfRow, rowOfSlot, offsets, h, dy } = inputs;
  const { rows, hidden, inner, slots } = sizes;
  const pulled = groupedProduct(
    backend,
    {
      inputs: { dy, down, slotOfRow },
      offsets,
      sizes: { slots },
      declarations: TOKEN,
      a: { value: 'dy[token(m) * p.k + k]', along: 'k' },
      b: { value: 'down[(e * p.k + k) * p.n + n]', along: 'n' },
    },
    [rows, inner, hidden],
  );
  const { dh, dWeights } = activationGrad(backend, { h, pulled, weights, slotOfRow }, sizes);
  releaseTensors(backend, pulled);
  const dRows = groupedProduct(
    backend,
    {
      inputs: { dh, up },
      offsets,
      a: { value: 'dh[m * p.k + k]', along: 'k' },
      b: { value: 'up[(e * p.k + k) * p.n + n]', along: 'n' },
    },
    [rows, hidden, 2 * inner],
  );
  const dx = combineRowsOnDevice(backend, { x: dRows, rowOfSlot, weights: undefined })![0]!;
  releaseTensors(backend, dRows);
  if (!ofExperts) {
    releaseTensors(backend, dh);
    return [dx, dWeights];
  }
  const dUp = groupedOuterProduct(
    backend,
    {
      inputs: { dh, x, slotOfRow },
      offsets,
      sizes: { slots },
      declarations: TOKEN,
      a: { value: 'dh[k * p.m + m]', along: 'm' },
      b: { value: 'x[token(k) * p.n + n]', along: 'n' },
    },
    [2 * inner, hidden],
  );
  releaseTensors(backend, dh);
  const dDown = groupedOuterProduct(
    backend,
    {
      inputs: { dy, h, weights, slotOfRow },
      offsets,
      sizes: { slots, inner },
      declarations: `${TOKEN}${ACTIVATION}`,
      a: { value: 'dy[token(k) * p.m + m]', along: 'm' },
      b: { value: 'activation(k, n) * weights[slotOfRow[k]]', along: 'n' },
    },
    [hidden, inner],
  );
  return [dx, dWeights, dUp, dDown];
}

/** With g the cotangent of a row's activation a, but for its weight: d weight = ⟨a, g⟩, dh = weight·g through it. */
function activationGrad(
  backend: WebGPUBackend,
  inputs: Named<'h' | 'pulled' | 'weights' | 'slotOfRow'>,
  { rows, inner }: Sizes,
) {
  return runShader(backend, {
    inputs,
    outputs: {
      dh: { shape: inputs.h.shape },
      dWeights: { shape: inputs.weights.shape, zeroed: true },
    },
    sizes: { inner },
    workgroupSize: 128,
    workgroups: rows,
    ...workgroupReductions(backend, 'Sum'),
    body: `
  let slot = slotOfRow[group];
  if (slot < 0) { return; }
  let row = group * 2u * p.inner;
  let weight = weights[slot];
  var part = 0.0;
  for (var i = lane; i < p.inner; i += WORKGROUP) {
    let gate = h[row + i];
    let up = h[row + p.inner + i];
    let g = pulled[group * p.inner + i];
    let sigma = 1.0 / (1.0 + exp(-gate));
    part += gate * sigma * up * g;
    dh[row + i] = weight * g * up * sigma * (1.0 + gate * (1.0 - sigma));
    dh[row + p.inner + i] = weight * g * gate * sigma;
  }
  let total = workgroupSum(part, lane);
  if (lane == 0u) { dWeights[slot] = total; }`,
  });
}
