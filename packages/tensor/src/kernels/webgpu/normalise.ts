/** Unit vectors: an invocation a vector for short ones, a workgroup a vector for long ones. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { workgroupReductions } from './reductions.ts';
import { runShader } from './shader.ts';

const WORKGROUP = 64;

/** [x/‖x‖, 1/‖x‖] over the last axis, both 0 where ‖x‖ < shortest. */
export function normaliseOnDevice(
  backend: WebGPUBackend,
  x: TensorInfo,
  shortest: number,
): TensorInfo[] | undefined {
  const size = util.sizeFromShape(x.shape);
  if (size === 0) return undefined;
  const width = x.shape.at(-1)!;
  const { y, inverses } = runShader(backend, {
    inputs: { x },
    outputs: { y: { shape: x.shape }, inverses: { shape: [...x.shape.slice(0, -1), 1] } },
    sizes: { width },
    reals: { least: shortest * shortest },
    workgroupSize: WORKGROUP,
    workgroups: size / width,
    ...workgroupReductions(backend, 'Sum'),
    body: `
  let row = group * p.width;
  var squares = 0.0;
  for (var i = lane; i < p.width; i += WORKGROUP) { squares += x[row + i] * x[row + i]; }
  let total = workgroupSum(squares, lane);
  let inverse = select(0.0, inverseSqrt(max(total, p.least)), total >= p.least);
  if (lane == 0u) { inverses[group] = inverse; }
  for (var i = lane; i < p.width; i += WORKGROUP) { y[row + i] = x[row + i] * inverse; }`,
  });
  return [y, inverses];
}

/** inverse ⊙ (dy − y ⟨y, dy⟩) */
export function normaliseGradOnDevice(
  backend: WebGPUBackend,
  { y, inverses, dy }: Readonly<Record<'y' | 'inverses' | 'dy', TensorInfo>>,
): TensorInfo[] | undefined {
  const size = util.sizeFromShape(y.shape);
  if (size === 0) return undefined;
  const width = y.shape.at(-1)!;
  const { dx } = runShader(backend, {
    inputs: { y, inverses, dy },
    outputs: { dx: { shape: y.shape } },
    sizes: { width },
    workgroupSize: WORKGROUP,
    workgroups: size / width,
    ...workgroupReductions(backend, 'Sum'),
    body: `
  let row = group * p.width;
  var inner = 0.0;
  for (var i = lane; i < p.width; i += WORKGROUP) { inner += y[row + i] * dy[row + i]; }
  let total = workgroupSum(inner, lane);
  for (var i = lane; i < p.width; i += WORKGROUP) {
    dx[row + i] = inverses[group] * (dy[row + i] - y[row + i] * total);
  }`,
  });
  return [dx];
}
