/** What a new router is to learn in one layer: the hidden states that the old one read, and what it chose. */
import type { HostSelection } from '@spectra/gru-router';
import type { Router } from '@spectra/routing';
import { readTensors } from '@spectra/tensor';
import type { SweptLayer } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';

/** Tokens that are routed at a time where no gradient is wanted. */
const TOKENS_TOGETHER = 2048;

export interface TaughtLayer extends SweptLayer {
  /** The new router. */
  readonly router: Router;
}

/** [B,S,G] on the host: the context that a layer's new router leaves to the next one above, 0 for rows not asked for. */
export interface Carry {
  readonly width: number;
  readonly data: Float32Array;
}

/** The inputs [b,S,H] of some rows; the caller owns them. */
export function inputRows(
  { inputs, length, indices, slots }: TaughtLayer,
  rows: readonly number[],
): tf.Tensor3D {
  const width = inputs.length / (indices.length / slots);
  return rowsOf({ data: inputs, width }, rows, length);
}

/** [b,S,width] of some rows of an array [B,S,width]; the caller owns it. */
export function rowsOf({ data, width }: Carry, rows: readonly number[], length: number): tf.Tensor3D {
  const size = length * width;
  const taken = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) taken.set(data.subarray(row * size, (row + 1) * size), i * size);
  return tf.tensor3d(taken, [rows.length, length, width]);
}

/** The old gates of some rows over all experts, each token's summing to 1: [b·S,E]; the caller owns them. */
export function targetRows(layer: TaughtLayer, rows: readonly number[]): tf.Tensor2D {
  const { length, slots, router } = layer;
  const { indices, weights } = oldChoice(layer, rows);
  const target = new Float32Array(rows.length * length * router.experts);
  for (const [i, expert] of indices.entries()) {
    if (expert >= 0) target[Math.floor(i / slots) * router.experts + expert] = weights[i]!;
  }
  return tf.tensor2d(target, [rows.length * length, router.experts]);
}

/** What the old router chose for some rows. */
export function oldChoice(
  { indices, weights, slots, length }: TaughtLayer,
  rows: readonly number[],
): HostSelection {
  const size = slots * length;
  const all = { indices: new Int32Array(rows.length * size), weights: new Float32Array(rows.length * size) };
  for (const [i, row] of rows.entries()) {
    all.indices.set(indices.subarray(row * size, (row + 1) * size), i * size);
    all.weights.set(weights.subarray(row * size, (row + 1) * size), i * size);
  }
  return { indices: all.indices, weights: normalised(all.weights, slots), slots };
}

/** What the new router, as it is now, chooses for some rows when it decodes, and the context it leaves. */
export async function newChoice(
  layer: TaughtLayer,
  rows: readonly number[],
  below: Carry | undefined,
): Promise<{ readonly choice: HostSelection; readonly carry: Carry | undefined }> {
  const { router, length } = layer;
  const { slots } = router;
  const tokens = rows.length * length;
  const [indices, weights] = [new Int32Array(tokens * slots), new Float32Array(tokens * slots)];
  let carry: Carry | undefined;
  const together = Math.max(1, Math.floor(TOKENS_TOGETHER / length));
  for (let at = 0; at < rows.length; at += together) {
    const some = rows.slice(at, at + together);
    const tensors = tf.tidy(() => {
      const routing = router.route(inputRows(layer, some), {
        balance: 'potentials',
        training: false,
        step: 0,
        ...(below === undefined ? {} : { below: rowsOf(below, some, length) }),
      });
      const decision = { indices: routing.indices, weights: routing.weights };
      return routing.carry === undefined ? decision : { ...decision, carry: routing.carry };
    }) as Record<'indices' | 'weights', tf.Tensor> & { carry?: tf.Tensor };
    const host = await readTensors(tensors as Record<string, tf.Tensor>).finally(() => tf.dispose(tensors));
    indices.set(host.indices as Int32Array, at * length * slots);
    weights.set(host.weights as Float32Array, at * length * slots);
    if (host.carry === undefined) continue;
    const width = host.carry.length / (some.length * length);
    carry ??= { width, data: new Float32Array((layer.indices.length / layer.slots) * width) };
    for (const [i, row] of some.entries()) {
      const own = (host.carry as Float32Array).subarray(i * length * width, (i + 1) * length * width);
      carry.data.set(own, row * length * width);
    }
  }
  return { choice: { indices, weights: normalised(weights, slots), slots }, carry };
}

/** Each token's gates over their sum, since ρ is apart. */
function normalised(weights: Float32Array, slots: number): Float32Array {
  const out = new Float32Array(weights.length);
  for (let at = 0; at < weights.length; at += slots) {
    const sum = weights.subarray(at, at + slots).reduce((a, b) => a + b, 0);
    for (let j = at; j < at + slots; j++) out[j] = sum > 0 ? weights[j]! / sum : 0;
  }
  return out;
}
