/** Segment sums and scatters of float32 on WebGPU, by the kernel that adds in a fixed order. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { backend_util, util } from '@tensorflow/tfjs-core';
import { runFlat } from '../kernels/webgpu/flat-program.ts';
import { segmentSum } from '../kernels/webgpu/segment-sum.ts';
import type { Repair } from './repair.ts';
import { filled, present, release } from './run-kernel.ts';

export const orderedSegmentSum: Repair = {
  fault: 'Segment sums and scatters add with float atomics: two runs differ in their last bits.',
  kernels: {
    webgpu: {
      UnsortedSegmentSum: stock => call => {
        const { x, segmentIds } = call.inputs as { x: TensorInfo; segmentIds: TensorInfo };
        const { numSegments } = call.attrs as unknown as { numSegments: number };
        if (x.dtype !== 'float32') return present(stock, 'UnsortedSegmentSum')(call);
        const shape = [numSegments, ...x.shape.slice(segmentIds.shape.length)];
        return segmentSum(call.backend as WebGPUBackend, x, segmentIds, numSegments, shape);
      },
      ScatterNd: stock => call => {
        const { indices, updates } = call.inputs as { indices: TensorInfo; updates: TensorInfo };
        const { shape } = call.attrs as unknown as { shape: number[] };
        if (updates.dtype !== 'float32') return present(stock, 'ScatterNd')(call);
        const ids = flatIndices(call.backend, indices, updates, shape);
        const { sliceSize } = backend_util.calculateShapes(updates, indices, shape);
        const segments = util.sizeFromShape(shape) / Math.max(1, sliceSize);
        const out = segmentSum(call.backend as WebGPUBackend, updates, ids, segments, shape);
        release(call.backend, ids);
        return out;
      },
    },
  },
};

/** The row of the output that each index tuple names. */
function flatIndices(backend: object, indices: TensorInfo, updates: TensorInfo, shape: number[]): TensorInfo {
  const { sliceRank, numUpdates } = backend_util.calculateShapes(updates, indices, shape);
  if (numUpdates === 0) return filled(backend, [0], 'int32', 0);
  const uniforms: Record<string, number[]> = {};
  const steps = shape.slice(0, sliceRank).map((size, i) => {
    uniforms[`size${i}`] = [size];
    return `row = row * uniforms.size${i} + indices[index * ${sliceRank} + ${i}];`;
  });
  return runFlat(backend, {
    key: `flat_indices_${sliceRank}`,
    shape: [numUpdates],
    dtype: 'int32',
    inputs: { indices },
    uniforms,
    body: `var row = 0; ${steps.join(' ')} result[index] = row;`,
  });
}
