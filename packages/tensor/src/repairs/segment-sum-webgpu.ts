/**
 * Segment sums and scatters of float32 on WebGPU in a fixed order. The stock kernels add with float atomics, whose
 * order is the scheduler's. Here the rows are put in the (stable) order of their segments, and one thread per
 * output element adds its rows one after the other. Ordering costs N² comparisons of N ids; the sums cost N·D.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';
import { filled, present, release, reshaped } from './run-kernel.ts';
import { runFlat } from './webgpu-program.ts';

export const orderedSegmentSum: Repair = {
  fault: 'Segment sums and scatters add with float atomics: two runs differ in their last bits.',
  kernels: {
    webgpu: {
      UnsortedSegmentSum: stock => call => {
        const { x, segmentIds } = call.inputs as { x: TensorInfo; segmentIds: TensorInfo };
        const { numSegments } = call.attrs as unknown as { numSegments: number };
        if (x.dtype !== 'float32') return present(stock, 'UnsortedSegmentSum')(call);
        const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
        return segmentSum(call.backend, x, segmentIds, numSegments, shape);
      },
      ScatterNd: stock => call => {
        const { indices, updates } = call.inputs as { indices: TensorInfo; updates: TensorInfo };
        const { shape } = call.attrs as unknown as { shape: number[] };
        if (updates.dtype !== 'float32') return present(stock, 'ScatterNd')(call);
        const ids = flatIndices(call.backend, indices, updates, shape);
        const { sliceSize } = backend_util.calculateShapes(updates, indices, shape);
        const segments = util.sizeFromShape(shape) / Math.max(1, sliceSize);
        const out = segmentSum(call.backend, updates, ids, segments, shape);
        release(call.backend, ids);
        return out;
      },
    },
  },
};

function segmentSum(
  backend: object,
  x: TensorInfo,
  ids: TensorInfo,
  segments: number,
  shape: readonly number[],
): TensorInfo {
  const count = util.sizeFromShape(ids.shape);
  const size = util.sizeFromShape([...shape]);
  if (count === 0 || size === 0) return filled(backend, shape, 'float32', 0);
  // the body names each array by its flat position; the shapes of the inputs do not matter to it
  const flatIds = reshaped('webgpu', backend, ids, [count]);
  const flatX = reshaped('webgpu', backend, x, [util.sizeFromShape(x.shape)]);
  const order = runFlat(backend, {
    key: 'segment_order',
    shape: [count],
    dtype: 'int32',
    inputs: { ids: flatIds },
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
    inputs: { x: flatX, ids: flatIds, order },
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
  release(backend, flatIds, flatX, order);
  return sums;
}

/** The row of the output that each index tuple names. */
function flatIndices(backend: object, indices: TensorInfo, updates: TensorInfo, shape: number[]): TensorInfo {
  const { sliceRank, numUpdates } = backend_util.calculateShapes(updates, indices, shape);
  if (numUpdates === 0) return filled(backend, [0], 'int32', 0);
  const flat = reshaped('webgpu', backend, indices, [util.sizeFromShape(indices.shape)]);
  const uniforms: Record<string, number[]> = {};
  const steps = shape.slice(0, sliceRank).map((size, i) => {
    uniforms[`size${i}`] = [size];
    return `row = row * uniforms.size${i} + indices[index * ${sliceRank} + ${i}];`;
  });
  const rows = runFlat(backend, {
    key: `flat_indices_${sliceRank}`,
    shape: [numUpdates],
    dtype: 'int32',
    inputs: { indices: flat },
    uniforms,
    body: `var row = 0; ${steps.join(' ')} result[index] = row;`,
  });
  release(backend, flat);
  return rows;
}
