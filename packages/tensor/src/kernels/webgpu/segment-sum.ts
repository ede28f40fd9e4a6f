/**
 * Segment sums of float32 in a fixed order. Adding with float atomics leaves the order to the scheduler. Here the
 * rows are put in the (stable) order of their segments, and one thread per output element adds its rows one after
 * the other. Ordering costs N² comparisons of N ids; the sums cost N·D, however many segments there are.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { runFlat } from './flat-program.ts';

/** x [N, …] summed by ids [N] into `shape` [segments, …]; ids outside [0, segments) are left out. */
export function segmentSum(
  backend: WebGPUBackend,
  x: TensorInfo,
  ids: TensorInfo,
  segments: number,
  shape: readonly number[],
): TensorInfo {
  const count = util.sizeFromShape(ids.shape);
  const size = util.sizeFromShape([...shape]);
  if (count === 0 || size === 0) return backend.makeTensorInfo([...shape], 'float32', new Float32Array(size));
  const order = runFlat(backend, {
    key: 'segment_order',
    shape: [count],
    dtype: 'int32',
    inputs: { ids },
    uniforms: { count: [count] },
    body: `
      let id = ids[index];
      var place = 0;
      for (var i = 0; i < uniforms.count; i++) {
        let other = ids[i];
        if (other < id || (other == id && i < index)) { place++; }
      }
      result[place] = index;`,
  });
  const sums = runFlat(backend, {
    key: 'segment_sums',
    shape,
    dtype: 'float32',
    inputs: { x, ids, order },
    uniforms: { count: [count], width: [size / segments] },
    body: `
      let segment = index / uniforms.width;
      let column = index % uniforms.width;
      var low = 0;
      var high = uniforms.count;
      while (low < high) {
        let middle = (low + high) / 2;
        if (ids[order[middle]] < segment) { low = middle + 1; } else { high = middle; }
      }
      var sum = 0.0;
      for (var i = low; i < uniforms.count; i++) {
        let row = order[i];
        if (ids[row] != segment) { break; }
        sum += x[row * uniforms.width + column];
      }
      result[index] = sum;`,
  });
  backend.disposeData(order.dataId);
  return sums;
}
