/** The entropy of each row of probabilities, one invocation a row, and its gradient, elementwise. */
import { runElementwise, type WebGPUBackend } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

export function rowEntropyOnDevice(
  backend: WebGPUBackend,
  probabilities: TensorInfo,
): TensorInfo[] | undefined {
  const [rows, width] = probabilities.shape as [number, number];
  if (rows * width === 0) return undefined;
  const { entropy } = runElementwise(backend, {
    inputs: { probabilities },
    outputs: { entropy: { shape: [rows] } },
    count: rows,
    sizes: { width },
    body: `
  var sum = 0.0;
  for (var k = i * p.width; k < (i + 1u) * p.width; k++) {
    let value = probabilities[k];
    if (value > 0.0) { sum -= value * log(value); }
  }
  entropy[i] = sum;`,
  });
  return [entropy];
}

export function rowEntropyGradOnDevice(
  backend: WebGPUBackend,
  probabilities: TensorInfo,
  dy: TensorInfo,
): TensorInfo[] | undefined {
  const [rows, width] = probabilities.shape as [number, number];
  if (rows * width === 0) return undefined;
  const { gradient } = runElementwise(backend, {
    inputs: { probabilities, dy },
    outputs: { gradient: { shape: [rows, width] } },
    count: rows * width,
    sizes: { width },
    body: `
  let value = probabilities[i];
  gradient[i] = select(0.0, -(log(max(value, 1e-38)) + 1.0) * dy[i / p.width], value > 0.0);`,
  });
  return [gradient];
}
