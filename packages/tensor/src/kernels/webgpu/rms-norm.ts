/**
 * RMS normalisation: one workgroup a row, which it reads twice (the second time from the cache), 3 operations a value;
 * the memory's speed is the limit. The weight's gradient is a column sum.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { columnSum } from './column-sum.ts';
import { workgroupReductions } from './reductions.ts';
import { releaseTensors, runShader } from './shader.ts';

const WORKGROUP = 128;

type Named<K extends string> = Readonly<Record<K, TensorInfo>>;

export function rmsNormOnDevice(
  backend: WebGPUBackend,
  { x, weight }: Named<'x' | 'weight'>,
  epsilon: number,
): TensorInfo[] | undefined {
  const [rows, width] = x.shape as [number, number];
  if (rows * width === 0) return undefined;
  const { y } = runShader(backend, {
    inputs: { x, weight },
    outputs: { y: { shape: x.shape } },
    sizes: { width },
    reals: { epsilon },
    workgroupSize: WORKGROUP,
    workgroups: rows,
    ...workgroupReductions(backend, 'Sum'),
    body: `
  let row = group * p.width;
  var squares = 0.0;
  for (var i = lane; i < p.width; i += WORKGROUP) { squares += x[row + i] * x[row + i]; }
  let inverse = inverseSqrt(workgroupSum(squares, lane) / f32(p.width) + p.epsilon);
  for (var i = lane; i < p.width; i += WORKGROUP) { y[row + i] = x[row + i] * inverse * weight[i]; }`,
  });
  return [y];
}

/** [dx, dweight] */
export function rmsNormGradOnDevice(
  backend: WebGPUBackend,
  { x, weight, dy }: Named<'x' | 'weight' | 'dy'>,
  epsilon: number,
): TensorInfo[] | undefined {
  const [rows, width] = x.shape as [number, number];
  if (rows * width === 0) return undefined;
  const { dx, inverses } = runShader(backend, {
    inputs: { x, weight, dy },
    outputs: { dx: { shape: x.shape }, inverses: { shape: [rows] } },
    sizes: { width },
    reals: { epsilon },
    workgroupSize: WORKGROUP,
    workgroups: rows,
    ...workgroupReductions(backend, 'Sum'),
    body: `
  let row = group * p.width;
  var squares = 0.0;
  var products = 0.0;
  for (var i = lane; i < p.width; i += WORKGROUP) {
    squares += x[row + i] * x[row + i];
    products += x[row + i] * dy[row + i] * weight[i];
  }
  let inverse = inverseSqrt(workgroupSum(squares, lane) / f32(p.width) + p.epsilon);
  let pull = workgroupSum(products, lane) * inverse * inverse / f32(p.width);
  if (lane == 0u) { inverses[group] = inverse; }
  for (var i = lane; i < p.width; i += WORKGROUP) {
    dx[row + i] = inverse * (dy[row + i] * weight[i] - x[row + i] * pull);
  }`,
  });
  const dweight = columnSum(backend, {
    inputs: { x, dy, inverses },
    rows,
    width,
    value: 'dy[t * p.width + c] * x[t * p.width + c] * inverses[t]',
  });
  releaseTensors(backend, inverses);
  return [dx, dweight];
}
