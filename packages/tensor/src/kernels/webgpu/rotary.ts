/** Rotary position embedding: one invocation a channel, which reads its partner. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { runElementwise } from './elementwise.ts';

export function rotaryOnDevice(
  backend: WebGPUBackend,
  { x, cos, sin }: Readonly<Record<'x' | 'cos' | 'sin', TensorInfo>>,
  inverse: boolean,
): TensorInfo[] | undefined {
  const [batch, length, heads, width] = x.shape as [number, number, number, number];
  const count = batch * length * heads * width;
  const half = cos.shape[2]!;
  if (count === 0 || half === 0) return undefined;
  const { y } = runElementwise(backend, {
    inputs: { x, cos, sin },
    outputs: { y: { shape: x.shape } },
    count,
    // one table for all rows is read modulo its own length
    sizes: { heads, width, half, positions: cos.shape[0] === 1 ? length : batch * length },
    reals: { sign: inverse ? -1 : 1 },
    body: `
  let channel = i % p.width;
  if (channel >= 2u * p.half) { y[i] = x[i]; return; }
  let first = channel < p.half;
  let at = i / (p.width * p.heads) % p.positions * p.half + select(channel - p.half, channel, first);
  let partner = x[select(i - p.half, i + p.half, first)];
  let s = p.sign * sin[at];
  y[i] = x[i] * cos[at] + partner * select(s, -s, first);`,
  });
  return [y];
}
