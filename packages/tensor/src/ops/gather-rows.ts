/** Rows by index and their sums by segment: each is the other's gradient. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape } from '../errors.ts';
import { segmentSumProgram } from '../kernels/webgpu/segment-sum.ts';

const gatherOp = defineOp<{ x: Tensor; indices: Tensor }, object>({
  name: 'GatherRows',
  reference: ({ x, indices }) => {
    if (x.shape[0] === 0 || indices.size === 0) return [tf.zeros([indices.size, x.shape[1]!])];
    const live = indices.greaterEqual(0).cast('float32').expandDims(1);
    return [tf.gather(x, indices.maximum(tf.scalar(0, 'int32')) as Tensor1D).mul(live)];
  },
  kernels: {
    wasm: ({ x, indices }, _, call) => {
      const [width, count] = [x.shape[1]!, indices.shape[0]!];
      const out = call.output([count, width]);
      const ids = call.ints(call.address(indices), count);
      const from = call.floats(call.address(x), x.shape[0]! * width);
      const to = call.floats(call.address(out), count * width);
      for (let i = 0; i < count; i++) {
        const row = ids[i]!;
        if (row < 0) to.fill(0, i * width, (i + 1) * width);
        else to.set(from.subarray(row * width, (row + 1) * width), i * width);
      }
      return [out];
    },
  },
  gradient: ({ dys: [dy], inputs: { x, indices } }) => ({
    x: segmentOp({ x: dy!, ids: indices }, { segments: x.shape[0]! })[0]!,
  }),
});

const segmentOp = defineOp<{ x: Tensor; ids: Tensor }, { readonly segments: number }>({
  name: 'SegmentSum',
  reference: ({ x, ids }, { segments }) => {
    const hot = tf.oneHot(ids as Tensor1D, segments).cast('float32') as Tensor2D;
    return [x.shape[0] === 0 ? tf.zeros([segments, x.shape[1]!]) : tf.matMul(hot, x as Tensor2D, true, false)];
  },
  kernels: {
    wasm: ({ x, ids }, { segments }, call) => {
      const [count, width] = [x.shape[0]!, x.shape[1]!];
      const out = call.output([segments, width]);
      const segment = call.ints(call.address(ids), count);
      const from = call.floats(call.address(x), count * width);
      const to = call.floats(call.address(out), segments * width).fill(0);
      for (let i = 0; i < count; i++) {
        if (segment[i]! < 0) continue;
        const [source, target] = [i * width, segment[i]! * width];
        for (let c = 0; c < width; c++) to[target + c]! += from[source + c]!;
      }
      return [out];
    },
    webgpu: ({ x, ids }, { segments }, backend) => [
      backend.runWebGPUProgram(segmentSumProgram(x, segments), [x, ids], 'float32'),
    ],
  },
  gradient: ({ dys: [dy], inputs: { ids } }) => ({ x: gatherOp({ x: dy!, indices: ids }, {})[0]! }),
});

/**
 * x [M,H] float32, indices [N] int32 in [−1, M) → [N,H]: row indices[i] of x, a row of zeros for −1. Differentiable
 * in x. The caller owns the result.
 */
export function gatherRows(x: Tensor2D, indices: Tensor1D): Tensor2D {
  checkShape(indices.shape, [-1], 'gatherRows indices');
  return gatherOp({ x, indices }, {})[0] as Tensor2D;
}

/**
 * x [N,H] float32, ids [N] int32 in [−1, segments) → [segments,H]: the sum of the rows of each id, in the order of the
 * rows on every backend but tensorflow and cpu, which add in the order of a matrix product; rows of id −1 are left
 * out. Deterministic. Differentiable in x. The caller owns the result.
 */
export function segmentSum(x: Tensor2D, ids: Tensor1D, segments: number): Tensor2D {
  checkShape(ids.shape, [x.shape[0]], 'segmentSum ids');
  return segmentOp({ x, ids }, { segments })[0] as Tensor2D;
}
