/** `UnsortedSegmentSum` for the wasm backend, which has none; the gradient of gather needs it. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import type { Repair } from './repair.ts';

export const segmentSumWasm: Repair = {
  fault: 'There is no UnsortedSegmentSum, so that gather has no gradient.',
  kernels: {
    wasm: {
      UnsortedSegmentSum: () => call => {
        const { x, segmentIds } = call.inputs as { x: TensorInfo; segmentIds: TensorInfo };
        const { numSegments } = call.attrs as unknown as { numSegments: number };
        const backend = call.backend as BackendWasm;
        const idRank = segmentIds.shape.length;
        const out = backend.makeOutput([numSegments, ...x.shape.slice(idRank)], x.dtype);
        const width = util.sizeFromShape(x.shape.slice(idRank));
        // every allocation is done, so the views stay
        const sums = backend.typedArrayFromHeap(out) as Float32Array;
        const rows = backend.typedArrayFromHeap(x) as Float32Array;
        const ids = backend.typedArrayFromHeap(segmentIds) as Int32Array;
        sums.fill(0);
        for (let row = 0; row < ids.length; row++) {
          const id = ids[row] as number;
          if (id < 0 || id >= numSegments) continue;
          const to = id * width;
          const from = row * width;
          for (let i = 0; i < width; i++) (sums[to + i] as number) += rows[from + i] as number;
        }
        return out;
      },
    },
  },
};
