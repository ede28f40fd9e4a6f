/** Rows by index and their sums by segment: each is the other's gradient. */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp, type Op } from '../define-op.ts';
import { checkShape, SpectraError } from '../errors.ts';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { gatherRowsOnDevice } from '../kernels/webgpu/gather-rows.ts';
import { segmentSum as segmentSumOnDevice } from '../kernels/webgpu/segment-sum.ts';

const gatherOp: Op<{ x: Tensor; indices: Tensor }, object> = defineOp({
  name: 'GatherRows',
  reference: ({ x, indices }) => {
    if (x.shape[0] === 0 || indices.size === 0) return [tf.zeros([indices.size, x.shape[1]!])];
    const found = tf.gather(x, tf.maximum(indices, tf.scalar(0, 'int32')) as Tensor1D);
    // selected, not multiplied by 0: the row that −1 was sent to may hold a NaN
    const live = tf.broadcastTo(tf.expandDims(tf.greaterEqual(indices, 0), 1), found.shape);
    return [tf.where(live, found, tf.zerosLike(found))];
  },
  kernels: {
    wasm: ({ x, indices }, _, call) => {
      const [rows, width] = x.shape as [number, number];
      const count = indices.shape[0]!;
      const out = call.output([count, width]);
      tensorKernels(call.backend).gatherRows(
        call.address(x),
        call.address(indices),
        call.address(out),
        rows,
        count,
        width,
      );
      return [out];
    },
    webgpu: ({ x, indices }, _, backend) => gatherRowsOnDevice(backend, x, indices),
  },
  gradient: ({ dys: [dy], inputs: { x, indices } }) => ({
    x: segmentOp({ x: dy!, ids: indices }, { segments: x.shape[0]! })[0]!,
  }),
});

const segmentOp: Op<{ x: Tensor; ids: Tensor }, { readonly segments: number }> = defineOp({
  name: 'SegmentSum',
  readsBack: true,
  reference: ({ x, ids }, { segments }) => {
    const width = x.shape[1]!;
    if (x.size === 0 || segments === 0) return [tf.zeros([segments, width])];
    // TensorFlow has the op, and drops negative ids as we do; webgpu has the kernel below
    if (tf.getBackend() === 'tensorflow') return [tf.unsortedSegmentSum(x, ids as Tensor1D, segments)];
    return [
      tf.tensor2d(sumOnHost(x.dataSync() as Float32Array, ids.dataSync() as Int32Array, segments, width), [
        segments,
        width,
      ]),
    ];
  },
  kernels: {
    wasm: ({ x, ids }, { segments }, call) => {
      const [rows, width] = x.shape as [number, number];
      const out = call.output([segments, width]);
      tensorKernels(call.backend).segmentSum(
        call.address(x),
        call.address(ids),
        call.address(out),
        rows,
        segments,
        width,
      );
      return [out];
    },
    webgpu: ({ x, ids }, { segments }, backend) =>
      segments === 0 || x.shape.includes(0)
        ? undefined
        : [segmentSumOnDevice(backend, x, ids, segments, [segments, x.shape[1]!])],
  },
  gradient: ({ dys: [dy], inputs: { ids } }) => ({ x: gatherOp({ x: dy!, indices: ids }, {})[0]! }),
});

function sumOnHost(x: Float32Array, ids: Int32Array, segments: number, width: number): Float32Array {
  const out = new Float32Array(segments * width);
  ids.forEach((id, row) => {
    if (id < 0 || id >= segments) return;
    for (let i = 0; i < width; i++) out[id * width + i]! += x[row * width + i]!;
  });
  return out;
}

/**
 * x [M,H] float32, indices [N] int32 in [−1, M) → [N,H]: row indices[i] of x, a row of zeros for −1. Differentiable
 * in x (the gradient is `segmentSum`, so an embedding used by many tokens sums theirs). The caller owns the result.
 *
 * @throws SHAPE for another rank or dtype
 */
export function gatherRows(x: Tensor2D, indices: Tensor1D): Tensor2D {
  checkRows(x, 'gatherRows x');
  checkIndices(indices, -1, 'gatherRows indices');
  return gatherOp({ x, indices }, {})[0] as Tensor2D;
}

/**
 * x [N,H] float32, ids [N] int32 in [−1, segments) → [segments,H]: the sum of the rows of each id, rows of id −1 left
 * out, segments without rows zero. Added in row order, so reproducible, except where TensorFlow itself adds on a GPU.
 * Differentiable in x. The caller owns the result.
 *
 * @throws SHAPE for another rank or dtype, or ids of another length
 */
export function segmentSum(x: Tensor2D, ids: Tensor1D, segments: number): Tensor2D {
  checkRows(x, 'segmentSum x');
  checkIndices(ids, x.shape[0], 'segmentSum ids');
  return segmentOp({ x, ids }, { segments })[0] as Tensor2D;
}

function checkRows(x: Tensor, where: string): void {
  checkShape(x.shape, [-1, -1], where);
  checkDtype(x, 'float32', where);
}

function checkIndices(indices: Tensor, count: number, where: string): void {
  checkShape(indices.shape, [count], where);
  checkDtype(indices, 'int32', where);
}

function checkDtype(x: Tensor, dtype: 'float32' | 'int32', where: string): void {
  if (x.dtype !== dtype)
    throw new SpectraError('SHAPE', { message: `needs ${dtype}, got ${x.dtype}.`, where });
}
