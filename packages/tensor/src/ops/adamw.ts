/** The arithmetic of one AdamW step (Loshchilov & Hutter 2019), in one pass where the backend has the kernel. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape, checkValue } from '../errors.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { adamwOnDevice } from '../kernels/webgpu/adamw.ts';

export interface AdamwTensors {
  /** All float32 of one shape. */
  readonly param: Tensor;
  readonly m: Tensor;
  readonly v: Tensor;
  readonly grad: Tensor;
}

export interface AdamwHyper {
  /** Learning rate η. */
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Decoupled decay λ: p loses η·λ·p. */
  readonly weightDecay: number;
  /** 1 at the first update: the exponent of the bias corrections. */
  readonly step: number;
  /** The gradient is multiplied by this first (clipping, accumulation). */
  readonly gradScale: number;
}

const op = defineOp<{ param: Tensor; m: Tensor; v: Tensor; grad: Tensor }, AdamwHyper>({
  name: 'AdamwStep',
  reference: ({ param, m, v, grad }, hyper) => {
    const { beta1, beta2, eps, gradScale } = hyper;
    const { keep, rate, vScale } = factors(hyper);
    const g = grad.mul(gradScale);
    const first = m.mul(beta1).add(g.mul(1 - beta1));
    const second = v.mul(beta2).add(g.square().mul(1 - beta2));
    return [param.mul(keep).sub(first.mul(rate).div(second.mul(vScale).sqrt().add(eps))), first, second];
  },
  kernels: {
    wasm: ({ param, m, v, grad }, hyper, call) => {
      const { beta1, beta2, eps, gradScale } = hyper;
      const { keep, rate, vScale } = factors(hyper);
      const [p2, m2, v2] = [call.reuse(param), call.reuse(m), call.reuse(v)];
      const size = param.shape.reduce((a, b) => a * b, 1);
      tensorKernels(call.backend).adamwStep(
        call.address(param),
        call.address(m),
        call.address(v),
        call.address(grad),
        call.address(p2),
        call.address(m2),
        call.address(v2),
        size,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        keep,
        rate,
        vScale,
        eps,
        gradScale,
      );
      return [p2, m2, v2];
    },
    webgpu: (inputs, hyper, backend) => {
      const { beta1, beta2, eps, gradScale: scale } = hyper;
      return adamwOnDevice(backend, inputs, { beta1, beta2, eps, scale, ...factors(hyper) });
    },
  },
});

function factors({ lr, beta1, beta2, weightDecay, step }: AdamwHyper) {
  return { keep: 1 - lr * weightDecay, rate: lr / (1 - beta1 ** step), vScale: 1 / (1 - beta2 ** step) };
}

/**
 * g = gradScale·grad, m' = β₁m + (1−β₁)g, v' = β₂v + (1−β₂)g²,
 * p' = p − ηλp − η·m̂ / (√v̂ + ε) with m̂ = m'/(1−β₁ᵗ), v̂ = v'/(1−β₂ᵗ). No gradient.
 *
 * It uses up `param`, `m` and `v`: on wasm the results are written over them, unless another tensor shares their memory.
 * The caller owns the results, and disposes what it gave as before.
 *
 * @throws SHAPE where the four shapes differ, VALUE where one tensor is given twice
 */
export function adamwStep(tensors: AdamwTensors, hyper: AdamwHyper): [param: Tensor, m: Tensor, v: Tensor] {
  const { param, m, v, grad } = tensors;
  for (const [name, tensor] of Object.entries({ m, v, grad }))
    checkShape(tensor.shape, param.shape, `adamwStep ${name}`);
  checkValue(new Set([param, m, v]).size === 3, 'param, m and v must not be one tensor.', 'adamwStep');
  return op({ param, m, v, grad }, { ...hyper }) as [Tensor, Tensor, Tensor];
}
