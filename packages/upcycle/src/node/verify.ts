/** Compares what two models compute. */
import { checkValue, SpectraError } from '@spectra/tensor';
import type { Architecture, DecoderModel } from '@spectra/transformer';
import { loadModel, loadModelDescription } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import type { Families } from './upcycle-folder.ts';

export interface Verification {
  /** max |Δlogit|. */
  readonly difference: number;
  /** Largest minus smallest logit of the first model. */
  readonly range: number;
  /** max |Δ| of what each layer writes to the residual stream, from below. */
  readonly layers: readonly number[];
}

/** What belongs to the rows of ids, each [B,S], and families of one's own. */
export interface VerifyInput extends Families {
  /** 1 for a token, 0 for padding, which is not compared; none means all tokens. */
  readonly mask?: Rows;
  /** By default counted from 0 in each row, padding left out. */
  readonly positions?: Rows;
}

type Rows = readonly (readonly number[])[];

/**
 * Runs both folders' models on `ids` [B,S], one after the other. `setBackend` must have been awaited. Errors: `VALUE` for
 * rows of different lengths, and for ids and positions that one of the models has not; `CHECKPOINT_MISMATCH` for models
 * with different numbers of layers; those of `loadModel`.
 */
export async function verifyModels(
  from: string,
  to: string,
  ids: Rows,
  input: VerifyInput = {},
): Promise<Verification> {
  const layers: number[] = [];
  for (const folder of [from, to]) {
    // before minutes are spent on loading
    const { architecture } = await loadModelDescription(folder, input);
    checkInput(ids, input, architecture, folder);
    layers.push(architecture.layers.length);
  }
  if (layers[0] !== layers[1]) {
    throw new SpectraError('CHECKPOINT_MISMATCH', {
      message: `the models have ${layers[0]} and ${layers[1]} layers.`,
      where: to,
    });
  }
  const before = await outputsOf(await loadModel(from, input), ids, input);
  const after = await outputsOf(await loadModel(to, input), ids, input);
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

async function outputsOf(model: DecoderModel, ids: Rows, { mask, positions }: VerifyInput): Promise<Outputs> {
  const { logits, layers } = tf.tidy(() => {
    const out = model.forward({
      inputIds: tf.tensor2d(ids as number[][], undefined, 'int32'),
      mask: mask && tf.tensor2d(mask as number[][]),
      positions: positions && tf.tensor2d(positions as number[][], undefined, 'int32'),
      layerOutputs: true,
    });
    return { logits: out.logits, layers: [...out.layerOutputs] };
  });
  try {
    const read = async (tensor: tf.Tensor): Promise<Float32Array> =>
      ofTokens(await tensor.data<'float32'>(), mask);
    return { logits: await read(logits), layers: await Promise.all(layers.map(read)) };
  } finally {
    tf.dispose([logits, ...layers]);
    model.dispose();
  }
}

/** Without the rows of padding, whose values mean nothing. */
function ofTokens(values: Float32Array, mask: Rows | undefined): Float32Array {
  if (mask === undefined) return values;
  const tokens = mask.flat();
  const width = values.length / tokens.length;
  return values.filter((_, i) => tokens[Math.floor(i / width)] !== 0);
}

function checkInput(ids: Rows, { mask, positions }: VerifyInput, model: Architecture, folder: string): void {
  const width = ids[0]?.length ?? 0;
  checkValue(width > 0, 'there must be at least one row and one token.', 'verifyModels ids');
  for (const [name, rows, limit] of [
    ['ids', ids, model.vocabulary],
    ['mask', mask, 2],
    ['positions', positions, model.maxPositions],
  ] as const) {
    if (rows === undefined) continue;
    const fits = rows.length === ids.length && rows.every(row => row.length === width);
    checkValue(fits, `expected ${ids.length} rows of ${width}.`, `verifyModels ${name}`);
    const wrong = rows.flat().find(value => !Number.isInteger(value) || value < 0 || value >= limit);
    checkValue(
      wrong === undefined,
      `it holds ${wrong}, of whole numbers below ${limit} for the model ${folder}.`,
      `verifyModels ${name}`,
    );
  }
  checkValue(mask === undefined || mask.flat().includes(1), 'all is padding.', 'verifyModels mask');
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
