/** Sums of squares of many tensors at once: what the norm of all gradients is made of. */
import type { Tensor, Tensor1D, TensorInfo } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { sumSquaresOnDevice } from '../kernels/webgpu/sum-squares.ts';

const op = defineOp<Record<string, Tensor>, object>({
  name: 'SumSquares',
  // one after the other: all squares at once would be as large as all gradients
  reference: tensors => [tf.stack(Object.values(tensors).map(x => tf.tidy(() => tf.sum(tf.square(x)))))],
  kernels: {
    // 2 operations for the 4 bytes of a float: as fast as memory
    wasm: (tensors, _, call) => {
      const all = Object.values(tensors);
      const out = call.output([all.length]);
      const { sumSquares } = tensorKernels(call.backend);
      const sums = all.map(x => sumSquares(call.address(x), tf.util.sizeFromShape(x.shape)));
      call.floats(call.address(out), all.length).set(sums);
      return [out];
    },
    webgpu: (tensors, _, backend) => sumSquaresOnDevice(backend, Object.values(tensors) as TensorInfo[]),
  },
});

/** Σ x² of each of n ≥ 1 float32 tensors of any shapes: [n], owned by the caller; not differentiable. */
export function sumSquares(tensors: readonly Tensor[]): Tensor1D {
  return op(Object.fromEntries(tensors.map((x, i) => [`x${i}`, x])), {})[0] as Tensor1D;
}
