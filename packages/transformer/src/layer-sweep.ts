/** Running a model layer by layer over many rows: all of them pass a layer before any passes the next. */
import type { HostArray } from '@spectra/routing';
import { checkValue, readTensors, tidied } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { DecoderModel } from './decoder-model.ts';

/** Tokens that pass a layer at a time. */
const TOKENS_TOGETHER = 2048;

/** What one mixture-of-experts layer read and decided, of all rows in their order; arrays on the host. */
export interface SweptLayer {
  readonly layer: number;
  /** S, tokens of a row. */
  readonly length: number;
  readonly slots: number;
  /** [B·S,H] the normed hidden states that were routed. */
  readonly inputs: Float32Array;
  /** [B·S,slots] */
  readonly indices: Int32Array;
  /** [B·S,slots] without the layer's ρ. */
  readonly weights: Float32Array;
}

interface Batch {
  readonly ids: readonly (readonly number[])[];
  /** Tokens of the batches before it. */
  readonly first: number;
  /** [b,S,H] */
  hidden: HostArray;
  /** [b,S,G] the carry of the router below. */
  below?: HostArray;
}

/**
 * Yields every mixture-of-experts layer from below, routed by the causal rule with prices, for rows of ids [B,S] that each
 * begin a text. In memory are the hidden states of all rows, [B·S,H], what one layer reads of them, as much again, and the
 * activations of 2,048 tokens (of one row, if that is more), whatever the depth. `VALUE` for rows of different lengths and unknown ids.
 */
export async function* sweepLayers(
  model: DecoderModel,
  rows: readonly (readonly number[])[],
): AsyncGenerator<SweptLayer> {
  const length = rows[0]?.length ?? 0;
  checkValue(
    length > 0 && rows.every(row => row.length === length),
    'rows must have one length, of at least a token.',
    'sweepLayers',
  );
  const { vocabulary } = model.architecture;
  const wrong = rows.flat().find(id => !Number.isInteger(id) || id < 0 || id >= vocabulary);
  checkValue(wrong === undefined, `there is an id ${wrong}, the model has ${vocabulary}.`, 'sweepLayers');
  const together = Math.max(1, Math.floor(TOKENS_TOGETHER / length));
  const batches: Batch[] = [];
  for (let at = 0; at < rows.length; at += together) {
    const ids = rows.slice(at, at + together);
    const { hidden } = await taken(() => ({ hidden: model.embedTokens(idsTensor(ids)) }));
    batches.push({ ids, first: at * length, hidden: hidden! });
  }
  const tokens = rows.length * length;
  for (const [layer, { moe }] of model.layers.entries()) {
    if (moe === undefined) {
      for (const batch of batches) await pass(model, layer, batch);
      continue;
    }
    const { slots } = moe.router;
    const inputs = new Float32Array(tokens * model.architecture.hidden);
    const [indices, weights] = [new Int32Array(tokens * slots), new Float32Array(tokens * slots)];
    for (const batch of batches) {
      const { routerInput, indices: chosen, weights: gates } = await pass(model, layer, batch);
      inputs.set(routerInput!.data, batch.first * model.architecture.hidden);
      indices.set(chosen!.data, batch.first * slots);
      weights.set(gates!.data, batch.first * slots);
    }
    yield { layer, length, slots, inputs, indices, weights };
  }
}

/** Moves a batch on by one layer; returns what its router read and decided. */
async function pass(model: DecoderModel, layer: number, batch: Batch): Promise<Record<string, HostArray>> {
  const { hidden, ids, below } = batch;
  const found = await taken(() => {
    const { output, routing, routerInput } = model.forwardLayer(layer, {
      hidden: tensor3d(hidden),
      inputIds: idsTensor(ids),
      ...(below === undefined ? {} : { below: tensor3d(below) }),
    });
    if (routing === undefined) return { output };
    const { indices, weights, carry } = routing;
    const decision = { indices, weights, routerInput: routerInput! };
    return { output, ...decision, ...(carry === undefined ? {} : { carry }) };
  });
  batch.hidden = found.output!;
  if (found.carry !== undefined) batch.below = found.carry;
  return found;
}

/** The tensors that `f` makes, on the host. */
async function taken(f: () => Record<string, tf.Tensor>): Promise<Record<string, HostArray>> {
  const tensors = tidied(f);
  try {
    const host = await readTensors(tensors);
    const arrays = Object.entries(host).map(([name, data]): [string, HostArray] => [
      name,
      { shape: tensors[name]!.shape, data: data as Float32Array | Int32Array },
    ]);
    return Object.fromEntries(arrays);
  } finally {
    tf.dispose(tensors);
  }
}

function idsTensor(ids: Batch['ids']): tf.Tensor2D {
  return tf.tensor2d(ids.flat(), [ids.length, ids[0]!.length], 'int32');
}

function tensor3d({ shape, data }: HostArray): tf.Tensor3D {
  return tf.tensor3d(data, shape as [number, number, number], 'float32');
}
