/** Log-probabilities of given texts under a causal model. */
import type { DecoderModel } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';

/** A context and what follows it, as token ids; the context has at least one. */
export interface ScoredPair {
  readonly context: readonly number[];
  readonly continuation: readonly number[];
}

export interface Score {
  /** Sum over the continuation, in nats. */
  readonly logLikelihood: number;
  /** Whether greedy decoding would have written it. */
  readonly greedy: boolean;
}

/** Tokens of one forward pass, padding included. */
const BATCH_TOKENS = 4096;

/** Scores in the order of the pairs. Contexts are cut on the left where a pair is longer than the model reads. */
export async function scorePairs(model: DecoderModel, pairs: readonly ScoredPair[]): Promise<Score[]> {
  const longest = model.architecture.maxPositions;
  const rows = pairs.map(({ context, continuation }, index) => {
    const all = [...context, ...continuation];
    // the last token is only a target
    const ids = all.slice(Math.max(0, all.length - longest - 1));
    return { index, ids, from: Math.max(0, ids.length - continuation.length) };
  });
  // alike lengths share a batch, so that little is padding
  const sorted = [...rows].sort((a, b) => a.ids.length - b.ids.length || a.index - b.index);
  const scores = new Array<Score>(pairs.length);
  for (let at = 0; at < sorted.length; ) {
    let end = at + 1;
    while (end < sorted.length && (end + 1 - at) * sorted[end]!.ids.length <= BATCH_TOKENS) end++;
    const batch = sorted.slice(at, end);
    const values = await scoreRows(model, batch);
    for (const [i, { index }] of batch.entries()) scores[index] = values[i]!;
    at = end;
  }
  return scores;
}

/** Rows are padded on the right, where a causal model does not see it. */
async function scoreRows(
  model: DecoderModel,
  rows: readonly { readonly ids: readonly number[]; readonly from: number }[],
): Promise<Score[]> {
  const width = Math.max(1, ...rows.map(({ ids }) => ids.length - 1));
  const pad = (values: readonly number[]): number[] => [
    ...values,
    ...new Array<number>(width - values.length).fill(0),
  ];
  const inputs = rows.map(({ ids }) => pad(ids.slice(0, -1)));
  const targets = rows.map(({ ids }) => pad(ids.slice(1)));
  const masks = rows.map(({ ids }) => pad(ids.slice(1).map(() => 1)));
  const shape: [number, number] = [rows.length, width];
  const [chosen, best] = tf.tidy(() => {
    const { logits } = model.forward({
      inputIds: tf.tensor2d(inputs.flat(), shape, 'int32'),
      mask: tf.tensor2d(masks.flat(), shape),
      balance: 'potentials',
    });
    const vocabulary = model.architecture.vocabulary;
    const flat = logits.reshape([rows.length * width, vocabulary]);
    const wanted = tf.tensor1d(targets.flat(), 'int32');
    const picked = flat.mul(tf.oneHot(wanted, vocabulary)).sum(1);
    return [picked.sub(flat.logSumExp(1)), flat.argMax(1)];
  });
  const [logs, tokens] = await Promise.all([chosen!.data(), best!.data()]);
  tf.dispose([chosen, best]);
  return rows.map(({ ids, from }, row) => {
    let logLikelihood = 0;
    let greedy = true;
    for (let position = Math.max(1, from); position < ids.length; position++) {
      const at = row * width + position - 1;
      logLikelihood += logs[at]!;
      greedy &&= tokens[at] === ids[position];
    }
    return { logLikelihood, greedy };
  });
}
