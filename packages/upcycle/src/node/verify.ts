/** Compares what two models compute. */
import type { DecoderModel } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';

export interface Verification {
  /** max |Δlogit|. */
  readonly difference: number;
  /** Largest minus smallest logit of the first model. */
  readonly range: number;
  /** max |Δ| of what each layer writes to the residual stream, from below. */
  readonly layers: readonly number[];
}

/** Runs both folders' models on `ids` [B,S], one after the other. `setBackend` must have been awaited. */
export async function verifyModels(
  from: string,
  to: string,
  ids: readonly (readonly number[])[],
): Promise<Verification> {
  const before = await outputsOf(await loadModel(from), ids);
  const after = await outputsOf(await loadModel(to), ids);
  const { logits } = before;
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of logits) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return {
    difference: largest(logits, after.logits),
    range: high - low,
    layers: before.layers.map((layer, i) => largest(layer, after.layers[i]!)),
  };
}

interface Outputs {
  readonly logits: Float32Array;
  readonly layers: readonly Float32Array[];
}

async function outputsOf(model: DecoderModel, ids: readonly (readonly number[])[]): Promise<Outputs> {
  const { logits, layers } = tf.tidy(() => {
    const inputIds = tf.tensor2d(ids as number[][], undefined, 'int32');
    const out = model.forward({ inputIds, layerOutputs: true });
    return { logits: out.logits, layers: [...out.layerOutputs] };
  });
  try {
    const read = async (tensor: tf.Tensor): Promise<Float32Array> => tensor.data<'float32'>();
    return { logits: await read(logits), layers: await Promise.all(layers.map(read)) };
  } finally {
    tf.dispose([logits, ...layers]);
    model.dispose();
  }
}

/** NaN counts as infinitely far. */
function largest(a: Float32Array, b: Float32Array): number {
  let most = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < a.length; i++) {
    const found = Math.abs(a[i]! - b[i]!);
    if (!(found <= most)) most = Number.isNaN(found) ? Number.POSITIVE_INFINITY : found;
  }
  return most;
}
