/** Tokens to their experts' rows and back, one invocation a value; no atomics, each result adds its own slots. */
import { runElementwise, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

export function dispatchRowsOnDevice(
  backend: WebGPUBackend,
  { x, slotOfRow, rowOfSlot }: Readonly<Record<'x' | 'slotOfRow' | 'rowOfSlot', TensorInfo>>,
): TensorInfo[] | undefined {
  const [rows, width, tokens] = [slotOfRow.shape[0]!, x.shape[1]!, x.shape[0]!];
  if (rows * width * tokens === 0) return undefined;
  const { moved } = runElementwise(backend, {
    inputs: { x, slotOfRow },
    outputs: { moved: { shape: [rows, width] } },
    count: rows * width,
    sizes: { width, slots: rowOfSlot.shape[1]! },
    body: `
  let slot = slotOfRow[i / p.width];
  var value = 0.0;
  if (slot >= 0) { value = x[u32(slot) / p.slots * p.width + i % p.width]; }
  moved[i] = value;`,
  });
  return [moved];
}

/** y_t = Σ_j weights_tj · x[rowOfSlot_tj] in the order of the slots; all weights 1 where none are given. */
export function combineRowsOnDevice(
  backend: WebGPUBackend,
  {
    x,
    rowOfSlot,
    weights,
  }: Readonly<Record<'x' | 'rowOfSlot', TensorInfo>> & {
    readonly weights: TensorInfo | undefined;
  },
): TensorInfo[] | undefined {
  const [tokens, slots] = rowOfSlot.shape as [number, number];
  const [rows, width] = x.shape as [number, number];
  if (tokens * slots * rows * width === 0) return undefined;
  const { y } = runElementwise(backend, {
    inputs: { x, rowOfSlot, weights },
    outputs: { y: { shape: [tokens, width] } },
    count: tokens * width,
    sizes: { width, slots },
    body: `
  let first = i / p.width * p.slots;
  var sum = 0.0;
  for (var s = first; s < first + p.slots; s++) {
    let row = rowOfSlot[s];
    if (row >= 0) { sum += ${weights === undefined ? '' : 'weights[s] * '}x[u32(row) * p.width + i % p.width]; }
  }
  y[i] = sum;`,
  });
  return [y];
}
