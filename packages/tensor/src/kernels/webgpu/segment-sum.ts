/** Segment sum without atomics: each output element adds its own rows in order, so that the result is reproducible. */
import type { WebGPUProgram } from '@tensorflow/tfjs-backend-webgpu/dist/webgpu_program.js';
import type { TensorInfo } from '@tensorflow/tfjs-core';

const WORKGROUP = 64;

export function segmentSumProgram(x: TensorInfo, segments: number): WebGPUProgram {
  const [rows, width] = [x.shape[0]!, x.shape[1]!];
  return {
    outputShape: [segments, width],
    variableNames: ['x', 'ids'],
    shaderKey: `spectraSegmentSum${rows}`,
    workgroupSize: [WORKGROUP, 1, 1],
    dispatchLayout: { x: [0, 1] },
    dispatch: [Math.ceil((segments * width) / WORKGROUP), 1, 1],
    size: true,
    getUserCode: () => `fn main(index : i32) {
      if (index < uniforms.size) {
        let coords = getCoordsFromIndex(index);
        var sum = 0.0;
        for (var r = 0; r < ${rows}; r = r + 1) {
          if (i32(getIds(r)) == coords[0]) { sum = sum + getX(r, coords[1]); }
        }
        setOutputAtIndex(index, sum);
      }
    }`,
  };
}
