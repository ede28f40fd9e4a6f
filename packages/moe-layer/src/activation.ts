/** Expert activations. Gated ones read [.., 2I] (gate columns, then up columns), the others [.., I]. */
import { SpectraError, swiglu } from '@spectra/tensor';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';

/**
 * `swiglu`: silu(gate) ⊙ up (Shazeer 2020). `clamped-glu`: gate ≤ limit, |up| ≤ limit,
 * (up + 1) ⊙ gate ⊙ σ(1.702·gate) (GPT-OSS). `geglu`: gelu(gate) ⊙ up (Shazeer 2020). `gelu`: the tanh form
 * (Hendrycks 2016). `relu2`: relu(x)² (Primer, So 2021).
 */
export const EXPERT_ACTIVATIONS = ['swiglu', 'clamped-glu', 'geglu', 'gelu', 'relu2'] as const;
export type ExpertActivation = (typeof EXPERT_ACTIVATIONS)[number];

const GPT_OSS_SHARPNESS = 1.702;

export function isGated(activation: ExpertActivation): boolean {
  return activation === 'swiglu' || activation === 'clamped-glu' || activation === 'geglu';
}

/** h [M, 2I or I] → [M,I]; differentiable; the caller owns the result. `limit` is GPT-OSS's `swiglu_limit`. */
export function activate(h: Tensor2D, activation: ExpertActivation, limit = 7): Tensor2D {
  switch (activation) {
    case 'swiglu':
      return swiglu(h);
    case 'clamped-glu':
      return clampedGlu(h, limit);
    case 'geglu': {
      const half = h.shape[1] / 2;
      const gate = h.slice([0, 0], [-1, half]) as Tensor2D;
      return gelu(gate).mul(h.slice([0, half], [-1, half])) as Tensor2D;
    }
    case 'gelu':
      return gelu(h);
    case 'relu2':
      return h.relu().square() as Tensor2D;
    default:
      throw new SpectraError('VALUE', {
        message: `unknown expert activation ${String(activation)}.`,
        where: 'activate',
        fix: `Use one of ${EXPERT_ACTIVATIONS.join(', ')}.`,
      });
  }
}

function gelu(x: Tensor2D): Tensor2D {
  const inner = x.mul(x.square().mul(0.044715).add(1)).mul(Math.sqrt(2 / Math.PI));
  return x.mul(inner.tanh().add(1)).mul(0.5) as Tensor2D;
}

function clampedGlu(h: Tensor2D, limit: number): Tensor2D {
  const half = h.shape[1] / 2;
  const gate = tf.minimum(h.slice([0, 0], [-1, half]), limit);
  const up = tf.clipByValue(h.slice([0, half], [-1, half]), -limit, limit);
  return up.add(1).mul(gate).mul(gate.mul(GPT_OSS_SHARPNESS).sigmoid()) as Tensor2D;
}
