/** The gate of SwiGLU (Shazeer 2020). */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape, checkValue } from '../errors.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { swigluGradOnDevice, swigluOnDevice } from '../kernels/webgpu/swiglu.ts';

const op = defineOp<{ h: Tensor }, object>({
  name: 'Swiglu',
  reference: ({ h }) => {
    const [gate, up] = halves(h);
    return [gate.mul(gate.sigmoid()).mul(up)];
  },
  kernels: {
    wasm: ({ h }, _, call) => {
      const [rows, width] = [h.shape[0]!, h.shape[1]! / 2];
      const out = call.output([rows, width]);
      tensorKernels(call.backend).swiglu(call.address(h), call.address(out), rows, width);
      return [out];
    },
    webgpu: ({ h }, _, backend) => swigluOnDevice(backend, h),
  },
  gradient: ({ dys: [dy], inputs: { h } }) => ({ h: gradOp({ h, dy: dy! }, {})[0]! }),
});

const gradOp = defineOp<{ h: Tensor; dy: Tensor }, object>({
  name: 'SwigluGrad',
  reference: ({ h, dy }) => {
    const [gate, up] = halves(h);
    const sigma = gate.sigmoid();
    // silu' = σ(1 + g(1 − σ))
    const slope = sigma.mul(tf.sub(1, sigma).mul(gate).add(1));
    return [tf.concat([dy.mul(up).mul(slope), dy.mul(gate).mul(sigma)], 1)];
  },
  kernels: {
    wasm: ({ h, dy }, _, call) => {
      const out = call.output(h.shape);
      tensorKernels(call.backend).swigluGrad(
        call.address(h),
        call.address(dy),
        call.address(out),
        h.shape[0]!,
        h.shape[1]! / 2,
      );
      return [out];
    },
    webgpu: ({ h, dy }, _, backend) => swigluGradOnDevice(backend, h, dy),
  },
});

function halves(h: Tensor): [Tensor, Tensor] {
  const width = h.shape[1]! / 2;
  return [tf.slice(h, [0, 0], [-1, width]), tf.slice(h, [0, width], [-1, width])];
}

/**
 * h [N,2I], gate columns before up columns → silu(gate) ⊙ up, [N,I]. Differentiable; the caller owns the result.
 *
 * @throws SHAPE where h is no matrix, VALUE where its width is odd
 */
export function swiglu(h: Tensor2D): Tensor2D {
  checkShape(h.shape, [-1, -1], 'swiglu');
  checkValue(h.shape[1] % 2 === 0, `needs an even width, got ${h.shape[1]}.`, 'swiglu');
  return op({ h }, {})[0] as Tensor2D;
}

/** The gradient of `swiglu` at h [N,2I] for the cotangent dy [N,I]: [N,2I]; not differentiable itself. The caller owns it. */
export function swigluGrad(h: Tensor2D, dy: Tensor2D): Tensor2D {
  checkShape(dy.shape, [h.shape[0], h.shape[1] / 2], 'swigluGrad dy');
  return gradOp({ h, dy }, {})[0] as Tensor2D;
}
