/** An affine map with the weights as checkpoints store them. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape } from '../errors.ts';
import { wasmGemm } from '../kernels/wasm/gemm.ts';

const op = defineOp<{ x: Tensor; weight: Tensor; bias: Tensor }, object>({
  name: 'Linear',
  reference: ({ x, weight, bias }) => [tf.matMul(x, weight, false, true).add(bias)],
  kernels: {
    // the product is added to rows of the bias, so that no pass over the result adds it
    wasm: ({ x, weight, bias }, _, call) => {
      const [m, k] = x.shape as [number, number];
      const n = weight.shape[0]!;
      const out = call.output([m, n]);
      const addresses = { a: call.address(x), b: call.address(weight), c: call.address(out) };
      const rows = call.floats(addresses.c, m * n);
      const first = call.floats(call.address(bias), n);
      for (let row = 0; row < m; row++) rows.set(first, row * n);
      wasmGemm(call, { ...addresses, m, n, k, transposeB: true, accumulate: true });
      return [out];
    },
  },
  gradient: ({ dys: [dy], inputs: { x, weight }, wanted }) => ({
    ...(wanted('x') ? { x: tf.matMul(dy!, weight) } : {}),
    ...(wanted('weight') ? { weight: tf.matMul(dy!, x, true, false) } : {}),
    bias: dy!.sum(0),
  }),
});

/**
 * x [N,in], weight [out,in], bias [out] → x·weightᵀ + bias, [N,out]. Differentiable; the caller owns the result.
 *
 * @throws SHAPE
 */
export function linear(x: Tensor2D, weight: Tensor2D, bias: Tensor1D): Tensor2D {
  const [outputs, inputs] = weight.shape;
  checkShape(x.shape, [-1, inputs], 'linear x');
  checkShape(bias.shape, [outputs], 'linear bias');
  return op({ x, weight, bias }, {})[0] as Tensor2D;
}
