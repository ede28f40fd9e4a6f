/** The gate of SwiGLU and its gradient, elementwise. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';

const OPERANDS = `
  let gate = h[i / p.width * 2u * p.width + i % p.width];
  let up = h[(i / p.width * 2u + 1u) * p.width + i % p.width];
  let sigma = 1.0 / (1.0 + exp(-gate));`;

export function swigluOnDevice(backend: WebGPUBackend, h: TensorInfo): TensorInfo[] | undefined {
  const [rows, width] = [h.shape[0]!, h.shape[1]! / 2];
  if (rows * width === 0) return undefined;
  const { y } = runElementwise(backend, {
    inputs: { h },
    outputs: { y: { shape: [rows, width] } },
    count: rows * width,
    sizes: { width },
    body: `${OPERANDS}
  y[i] = gate * sigma * up;`,
  });
  return [y];
}

export function swigluGradOnDevice(
  backend: WebGPUBackend,
  h: TensorInfo,
  dy: TensorInfo,
): TensorInfo[] | undefined {
  const [rows, width] = [h.shape[0]!, h.shape[1]! / 2];
  if (rows * width === 0) return undefined;
  const { dh } = runElementwise(backend, {
    inputs: { h, dy },
    outputs: { dh: { shape: h.shape } },
    count: rows * width,
    sizes: { width },
    body: `${OPERANDS}
  dh[i / p.width * 2u * p.width + i % p.width] = dy[i] * up * sigma * (1.0 + gate * (1.0 - sigma));
  dh[(i / p.width * 2u + 1u) * p.width + i % p.width] = dy[i] * gate * sigma;`,
  });
  return [dh];
}
