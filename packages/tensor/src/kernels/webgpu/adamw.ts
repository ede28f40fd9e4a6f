/** One AdamW step of one parameter: 16 bytes in and 12 out for some 15 operations, so the memory's speed is the limit. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';

/** keep = 1 − ηλ, rate = η/(1 − β₁ᵗ), vScale = 1/(1 − β₂ᵗ); scale multiplies the gradient (clipping). */
export type AdamwFactors = Readonly<
  Record<'beta1' | 'beta2' | 'eps' | 'scale' | 'keep' | 'rate' | 'vScale', number>
>;

/** [param, m, v] */
export function adamwOnDevice(
  backend: WebGPUBackend,
  { param, m, v, grad }: Readonly<Record<'param' | 'm' | 'v' | 'grad', TensorInfo>>,
  { beta1, beta2, ...factors }: AdamwFactors,
): TensorInfo[] | undefined {
  const count = util.sizeFromShape(param.shape);
  if (count === 0) return undefined;
  const made = runElementwise(backend, {
    inputs: { param, m, v, grad },
    outputs: { param2: { shape: param.shape }, m2: { shape: param.shape }, v2: { shape: param.shape } },
    count,
    // 1 − β in float64: of β₂ near 1, float32 keeps few digits of it
    reals: { beta1, beta2, rest1: 1 - beta1, rest2: 1 - beta2, ...factors },
    body: `
  let g = grad[i] * p.scale;
  let first = p.beta1 * m[i] + p.rest1 * g;
  let second = p.beta2 * v[i] + p.rest2 * g * g;
  m2[i] = first;
  v2[i] = second;
  param2[i] = p.keep * param[i] - p.rate * first / (sqrt(second * p.vScale) + p.eps);`,
  });
  return [made.param2, made.m2, made.v2];
}
