/** log Σ exp over one axis: an invocation a result for short axes, which walks along the axis once. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { util } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';

/** −∞ by its bits: WGSL has no such constant, and may assume that floats are finite. */
const MINUS_INFINITY = 0xff800000;

/** x […, n, …] → the axis dropped. A row that holds no finite number is left to the reference's arithmetic. */
export function logSumExpOnDevice(
  backend: WebGPUBackend,
  x: TensorInfo,
  axis: number,
): TensorInfo[] | undefined {
  const count = util.sizeFromShape(x.shape.filter((_, i) => i !== axis));
  const length = x.shape[axis]!;
  if (count * length === 0) return undefined;
  const { level } = runElementwise(backend, {
    inputs: { x },
    outputs: { level: { shape: x.shape.filter((_, i) => i !== axis) } },
    types: { x: 'u32', level: 'u32' },
    count,
    sizes: { length, inner: util.sizeFromShape(x.shape.slice(axis + 1)), nothing: MINUS_INFINITY },
    body: `
  let first = i / p.inner * p.inner * p.length + i % p.inner;
  var most = -3.0e38;
  var sum = 0.0;
  for (var k = 0u; k < p.length; k++) {
    let bits = x[first + k * p.inner];
    if (bits == p.nothing) { continue; }
    let value = bitcast<f32>(bits);
    if (value > most) { sum = sum * exp(most - value) + 1.0; most = value; } else { sum += exp(value - most); }
  }
  level[i] = select(bitcast<u32>(log(sum) + most), p.nothing, sum == 0.0);`,
  });
  return [level];
}
