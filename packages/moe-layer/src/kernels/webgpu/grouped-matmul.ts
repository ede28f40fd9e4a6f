/** WGSL for the grouped products: the expert of a row is found on the device, so nothing is read back. */
import type { WebGPUProgram } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';

const WORKGROUP = 64;

function flatProgram(
  outputShape: number[],
  variableNames: string[],
  shaderKey: string,
  body: string,
): WebGPUProgram {
  const size = outputShape.reduce((a, b) => a * b, 1);
  return {
    outputShape,
    variableNames,
    shaderKey,
    workgroupSize: [WORKGROUP, 1, 1],
    dispatchLayout: { x: outputShape.map((_, i) => i) },
    dispatch: [Math.ceil(size / WORKGROUP), 1, 1],
    size: true,
    getUserCode: () => `fn main(index : i32) {
      if (index < uniforms.size) {
        let coords = getCoordsFromIndex(index);
        ${body}
      }
    }`,
  };
}

export function groupedMatMulProgram(x: TensorInfo, w: TensorInfo, transpose: boolean): WebGPUProgram {
  const [experts, inner, width] = [w.shape[0]!, x.shape[1]!, w.shape[transpose ? 1 : 2]!];
  return flatProgram(
    [x.shape[0]!, width],
    ['x', 'w', 'offsets'],
    `spectraGroupedMatMul${experts}_${inner}_${transpose}`,
    `
        var sum = 0.0;
        if (coords[0] < i32(getOffsets(${experts}))) {
          var e = 0;
          loop { if (coords[0] < i32(getOffsets(e + 1))) { break; } e = e + 1; }
          for (var i = 0; i < ${inner}; i = i + 1) {
            sum = sum + getX(coords[0], i) * ${transpose ? 'getW(e, coords[1], i)' : 'getW(e, i, coords[1])'};
          }
        }
        setOutputAtIndex(index, sum);`,
  );
}

export function groupedOuterProgram(a: TensorInfo, b: TensorInfo, offsets: TensorInfo): WebGPUProgram {
  return flatProgram(
    [offsets.shape[0]! - 1, a.shape[1]!, b.shape[1]!],
    ['a', 'b', 'offsets'],
    'spectraGroupedOuter',
    `
        var sum = 0.0;
        let end = i32(getOffsets(coords[0] + 1));
        for (var r = i32(getOffsets(coords[0])); r < end; r = r + 1) {
          sum = sum + getA(r, coords[1]) * getB(r, coords[2]);
        }
        setOutputAtIndex(index, sum);`,
  );
}
