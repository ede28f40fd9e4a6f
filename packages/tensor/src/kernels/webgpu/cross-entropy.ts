/**
 * Softmax cross-entropy: one workgroup a row walks over the vocabulary once, each invocation keeping a running maximum
 * and the sum of the exponentials under it; no [N,V] temporary. The gradient is elementwise.
 */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';
import { workgroupReductions } from './reductions.ts';
import { runShader } from './shader.ts';

const WORKGROUP = 128;

type Named<K extends string> = Readonly<Record<K, TensorInfo>>;

/** [loss [N], ln Σ e^logit [N]] */
export function crossEntropyOnDevice(
  backend: WebGPUBackend,
  { logits, targets, weights }: Named<'logits' | 'targets' | 'weights'>,
): TensorInfo[] | undefined {
  const [rows, width] = logits.shape as [number, number];
  if (rows * width === 0) return undefined;
  const { loss, normaliser } = runShader(backend, {
    inputs: { logits, targets, weights },
    outputs: { loss: { shape: [rows] }, normaliser: { shape: [rows] } },
    sizes: { width },
    workgroupSize: WORKGROUP,
    workgroups: rows,
    ...workgroupReductions(backend, 'Sum', 'Max'),
    body: `
  let row = group * p.width;
  var most = -3e38;
  var sum = 0.0;
  for (var i = lane; i < p.width; i += WORKGROUP) {
    let value = logits[row + i];
    if (value > most) { sum = sum * exp(most - value) + 1.0; most = value; } else { sum += exp(value - most); }
  }
  let peak = workgroupMax(most, lane);
  let total = workgroupSum(sum * exp(most - peak), lane);
  if (lane == 0u) {
    let level = log(total) + peak;
    let chosen = targets[group];
    let weight = weights[group];
    normaliser[group] = level;
    var value = 0.0;
    if (chosen >= 0 && chosen < i32(p.width) && weight != 0.0) { value = (level - logits[row + u32(chosen)]) * weight; }
    loss[group] = value;
  }`,
  });
  return [loss, normaliser];
}

export function crossEntropyGradOnDevice(
  backend: WebGPUBackend,
  inputs: Named<'logits' | 'targets' | 'weights' | 'normaliser' | 'dy'>,
): TensorInfo[] | undefined {
  const [rows, width] = inputs.logits.shape as [number, number];
  if (rows * width === 0) return undefined;
  const { logits, targets, weights, normaliser, dy } = inputs;
  const { dlogits } = runElementwise(backend, {
    inputs: { logits, targets, weights, normaliser, dy },
    outputs: { dlogits: { shape: [rows, width] } },
    count: rows * width,
    sizes: { width },
    body: `
  let t = i / p.width;
  let chosen = targets[t];
  var slope = 0.0;
  if (chosen >= 0 && chosen < i32(p.width) && weights[t] != 0.0) {
    let hot = select(0.0, 1.0, i32(i % p.width) == chosen);
    slope = (exp(logits[i] - normaliser[t]) - hot) * dy[t] * weights[t];
  }
  dlogits[i] = slope;`,
  });
  return [dlogits];
}
