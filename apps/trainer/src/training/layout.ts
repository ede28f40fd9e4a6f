/** Parameters as one flat float32 array, in the order given, for sharing between threads. */
import { copyFromHost, copyToHost, type Parameter } from '@spectra/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';

export interface LayoutEntry {
  readonly parameter: Parameter;
  readonly offset: number;
  readonly size: number;
}

export interface Layout {
  readonly entries: readonly LayoutEntry[];
  /** Floats in all. */
  readonly total: number;
}

export function layoutOf(parameters: readonly Parameter[]): Layout {
  let total = 0;
  const entries = parameters.map(parameter => {
    const entry = { parameter, offset: total, size: parameter.variable.size };
    total += entry.size;
    return entry;
  });
  return { entries, total };
}

/** Copies the parameters' values into `target`. */
export async function exportParameters(layout: Layout, target: Float32Array): Promise<void> {
  for (const { parameter, offset } of layout.entries) {
    await copyToHost(parameter.variable, target.subarray(offset));
  }
}

/** Overwrites the parameters with the values of `source`. */
export function importParameters(layout: Layout, source: Float32Array): void {
  for (const { parameter, offset, size } of layout.entries) {
    const values = copyFromHost(source.subarray(offset, offset + size), parameter.variable.shape);
    parameter.variable.assign(values);
    values.dispose();
  }
}

/** Writes gradients into `target`; a parameter without one gets zeros. */
export async function exportGradients(
  layout: Layout,
  grads: ReadonlyMap<string, Tensor>,
  target: Float32Array,
): Promise<void> {
  for (const { parameter, offset, size } of layout.entries) {
    const grad = grads.get(parameter.name);
    if (grad === undefined) target.fill(0, offset, offset + size);
    else await copyToHost(grad, target.subarray(offset));
  }
}

/** The gradients in `source` as tensors by parameter name; the caller owns them. */
export function importGradients(layout: Layout, source: Float32Array): Map<string, Tensor> {
  return new Map(
    layout.entries.map(({ parameter, offset, size }) => [
      parameter.name,
      copyFromHost(source.subarray(offset, offset + size), parameter.variable.shape),
    ]),
  );
}
