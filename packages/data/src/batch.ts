/** Fixed-size batches of packed documents. */
import * as tf from '@tensorflow/tfjs-core';
import type { EncodedDocument } from './encode.ts';

/**
 * Rows of packed documents, all arrays row-major [batch, length]. A token's target is the next token of the same
 * document; each position is one (input, target) pair, so nothing is predicted across documents.
 */
export interface Batch {
  readonly batch: number;
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly targets: Int32Array;
  /** 1 for a pair that is to be learned, 0 for one that is not and for padding, which only conversations leave in training rows. */
  readonly weights: Float32Array;
  /** Documents of a row counted from 0; −1 at padding. */
  readonly documents: Int32Array;
  /** Positions in the document's part of this row, from 0; 0 at padding. */
  readonly positions: Int32Array;
  /** 1 at the first token of each document's part of a row: recurrent state restarts there. */
  readonly documentStart: Float32Array;
  /** [batch] the domain of each row, an index into the dataset's `domains`; −1 for a row of padding. */
  readonly domains: Int32Array;
}

export function emptyBatch(batch: number, length: number): Batch {
  const size = batch * length;
  return {
    batch,
    length,
    inputIds: new Int32Array(size),
    targets: new Int32Array(size),
    weights: new Float32Array(size),
    documents: new Int32Array(size).fill(-1),
    positions: new Int32Array(size),
    documentStart: new Float32Array(size),
    domains: new Int32Array(batch).fill(-1),
  };
}

/** Ids of a document, in the narrowest array that holds the vocabulary. */
export type Tokens = Uint16Array | Int32Array;

/** Writes pairs [offset, offset + count) of a document from column `at` of a row on; `learned` as in `EncodedDocument`. */
export function packPairs(
  batch: Batch,
  row: number,
  at: number,
  { tokens, learned }: EncodedDocument,
  offset: number,
  count: number,
  document: number,
): void {
  const start = row * batch.length + at;
  batch.inputIds.set(tokens.subarray(offset, offset + count), start);
  batch.targets.set(tokens.subarray(offset + 1, offset + count + 1), start);
  if (learned === undefined) batch.weights.fill(1, start, start + count);
  else batch.weights.set(learned.subarray(offset + 1, offset + count + 1), start);
  batch.documents.fill(document, start, start + count);
  for (let i = 0; i < count; i++) batch.positions[start + i] = i;
  batch.documentStart[start] = 1;
}

/** The domain of every token, −1 at padding: [batch, length]. */
export function tokenDomains(batch: Batch): Int32Array {
  return Int32Array.from(batch.documents, (document, i) =>
    document < 0 ? -1 : batch.domains[Math.floor(i / batch.length)]!,
  );
}

/** The number of pairs that are to be learned. */
export function countPairs(batch: Batch): number {
  let count = 0;
  for (const weight of batch.weights) count += weight;
  return count;
}

export interface BatchTensors {
  /** [B,S] int32. */
  readonly inputIds: tf.Tensor2D;
  readonly targets: tf.Tensor2D;
  readonly documents: tf.Tensor2D;
  readonly positions: tf.Tensor2D;
  /** [B,S] float32, the weights of the loss. */
  readonly weights: tf.Tensor2D;
  readonly documentStart: tf.Tensor2D;
}

/** The batch as tensors on the current backend; the caller owns them. */
export function batchTensors(batch: Batch): BatchTensors {
  const shape: [number, number] = [batch.batch, batch.length];
  const int = (data: Int32Array): tf.Tensor2D => tf.tensor2d(data, shape, 'int32');
  const float = (data: Float32Array): tf.Tensor2D => tf.tensor2d(data, shape, 'float32');
  return {
    inputIds: int(batch.inputIds),
    targets: int(batch.targets),
    documents: int(batch.documents),
    positions: int(batch.positions),
    weights: float(batch.weights),
    documentStart: float(batch.documentStart),
  };
}
