/** Root mean square normalisation (Zhang & Sennrich 2019). */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape } from '../errors.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { rmsNormGradOnDevice, rmsNormOnDevice } from '../kernels/webgpu/rms-norm.ts';

interface Attrs {
  readonly epsilon: number;
}

const op = defineOp<{ x: Tensor; weight: Tensor }, Attrs>({
  name: 'RmsNorm',
  reference: ({ x, weight }, { epsilon }) => [x.mul(inverseRms(x, epsilon)).mul(weight)],
  kernels: {
    wasm: ({ x, weight }, { epsilon }, call) => {
      const [rows, width] = x.shape as [number, number];
      const out = call.output(x.shape);
      tensorKernels(call.backend).rmsNorm(
        call.address(x),
        call.address(weight),
        call.address(out),
        rows,
        width,
        epsilon,
      );
      return [out];
    },
    webgpu: (inputs, { epsilon }, backend) => rmsNormOnDevice(backend, inputs, epsilon),
  },
  gradient: ({ dys: [dy], inputs: { x, weight }, attrs: { epsilon } }) => {
    const [dx, dw] = gradOp({ x, weight, dy: dy! }, { epsilon });
    return { x: dx!, weight: dw! };
  },
});

const gradOp = defineOp<{ x: Tensor; weight: Tensor; dy: Tensor }, Attrs>({
  name: 'RmsNormGrad',
  reference: ({ x, weight, dy }, { epsilon }) => {
    const inverse = inverseRms(x, epsilon);
    const normed = x.mul(inverse);
    const scaled = dy.mul(weight);
    const dx = scaled.sub(normed.mul(scaled.mul(normed).mean(1, true))).mul(inverse);
    return [dx, dy.mul(normed).sum(0)];
  },
  kernels: {
    wasm: ({ x, weight, dy }, { epsilon }, call) => {
      const [rows, width] = x.shape as [number, number];
      const [dx, dw] = [call.output(x.shape), call.output(weight.shape)];
      tensorKernels(call.backend).rmsNormGrad(
        call.address(x),
        call.address(weight),
        call.address(dy),
        call.address(dx),
        call.address(dw),
        rows,
        width,
        epsilon,
      );
      return [dx, dw];
    },
    webgpu: (inputs, { epsilon }, backend) => rmsNormGradOnDevice(backend, inputs, epsilon),
  },
});

function inverseRms(x: Tensor, epsilon: number): Tensor {
  return x.square().mean(1, true).add(epsilon).rsqrt();
}

/**
 * x [N,H], weight [H] → x/√(mean x² + ε) ⊙ weight, [N,H]. Differentiable in both; the caller owns the result.
 *
 * @throws SHAPE where x is no matrix or the weight is of another width
 */
export function rmsNorm(x: Tensor2D, weight: Tensor1D, epsilon: number): Tensor2D {
  checkShape(x.shape, [-1, -1], 'rmsNorm x');
  checkShape(weight.shape, [x.shape[1]], 'rmsNorm weight');
  return op({ x, weight }, { epsilon })[0] as Tensor2D;
}
