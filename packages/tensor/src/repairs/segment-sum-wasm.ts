/** `UnsortedSegmentSum` for the wasm backend, which has none; the gradient of gather needs it. */
import type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { tensorKernels } from '../kernels/wasm/module.ts';
import { WasmCall } from '../wasm-call.ts';
import type { Repair } from './repair.ts';

export const segmentSumWasm: Repair = {
  fault: 'There is no UnsortedSegmentSum, so that gather has no gradient.',
  kernels: {
    wasm: {
      UnsortedSegmentSum: () => call => {
        const { x, segmentIds } = call.inputs as { x: TensorInfo; segmentIds: TensorInfo };
        const { numSegments } = call.attrs as unknown as { numSegments: number };
        const idRank = segmentIds.shape.length;
        const rows = util.sizeFromShape(segmentIds.shape);
        const width = util.sizeFromShape(x.shape.slice(idRank));
        const wasm = new WasmCall(call.backend as BackendWasm);
        const out = wasm.output([numSegments, ...x.shape.slice(idRank)], x.dtype);
        const [from, ids, to] = [x, segmentIds, out].map(info => wasm.address(info)) as [
          number,
          number,
          number,
        ];
        if (x.dtype === 'float32') {
          tensorKernels(wasm.backend).segmentSum(from, ids, to, rows, numSegments, width);
        } else {
          addIntegers(
            wasm.ints(from, rows * width),
            wasm.ints(ids, rows),
            wasm.ints(to, numSegments * width),
            width,
          );
        }
        return out;
      },
    },
  },
};

function addIntegers(x: Int32Array, ids: Int32Array, sums: Int32Array, width: number): void {
  const segments = sums.length / width;
  sums.fill(0);
  ids.forEach((id, row) => {
    if (id < 0 || id >= segments) return;
    for (let i = 0; i < width; i++) sums[id * width + i]! += x[row * width + i]!;
  });
}
