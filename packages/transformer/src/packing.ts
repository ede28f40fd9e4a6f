/**
 * Several documents in one row, padding, and where each token stands in its own document.
 *
 * One integer per token says it all: its document, −1 for padding. A token attends to the earlier tokens of its row
 * with the same integer; padding attends to nothing and nothing to padding.
 */
import { checkShape } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Where the tokens of one forward pass stand. All tensors belong to the caller. */
export interface Packing {
  /** [B,S] int32, the document of each token, −1 for padding. */
  readonly documents: tf.Tensor2D;
  /** [B,S] int32, position within the document, counted from 0 over all passes; 0 at padding. */
  readonly positions: tf.Tensor2D;
  /** [B,S] float32, 1 at the first token of each document. */
  readonly starts: tf.Tensor2D;
  /** [B] int32, the position that the next token would have if it went on with the last document. */
  readonly next: tf.Tensor1D;
}

/** The last token before this pass, for documents that go on. */
export interface PackingPast {
  /** [B] int32 */
  readonly lastDocument: tf.Tensor1D;
  /** [B] int32, `Packing.next` of the pass before. */
  readonly next: tf.Tensor1D;
}

/**
 * Document of each token from the optional mask [B,S] (1 token, 0 padding) and documents [B,S] int32 ≥ 0 (equal
 * neighbours belong together; all one document where not given).
 */
export function effectiveDocuments(mask?: tf.Tensor2D, documents?: tf.Tensor2D): tf.Tensor2D | undefined {
  if (mask !== undefined && documents !== undefined) checkShape(documents.shape, mask.shape, 'documents');
  return tf.tidy(() => {
    if (mask === undefined) return documents?.clone();
    const real = tf.cast(mask, 'int32');
    const one = tf.scalar(1, 'int32');
    // real·(d + 1) − 1: d at tokens, −1 at padding
    return tf.sub(documents === undefined ? real : tf.mul(real, tf.add(documents, one)), one) as tf.Tensor2D;
  });
}

/** Positions and starts of `documents` [B,S]; a first token that goes on with the document of `past` is no start. */
export function packDocuments(documents: tf.Tensor2D, past?: PackingPast): Packing {
  return tf.tidy(() => {
    const [batch, length] = documents.shape;
    const column: [number, number] = [batch, 1];
    // float32 throughout: exact below 2^24, and every backend agrees on it
    const ids = tf.cast(documents, 'float32');
    const before =
      past === undefined
        ? tf.fill(column, NO_DOCUMENT)
        : tf.reshape(tf.cast(past.lastDocument, 'float32'), column);
    const previous =
      length === 1 ? before : tf.concat([before, tf.slice(ids, [0, 0], [batch, length - 1])], 1);
    const changed = tf.cast(tf.notEqual(ids, previous), 'float32');
    const index = tf.reshape(tf.range(0, length), [1, length]);
    // where each document began: here where the integer changed, in column 0 of one that goes on at −next
    const began =
      past === undefined ? tf.zeros(column) : tf.neg(tf.reshape(tf.cast(past.next, 'float32'), column));
    const first = tf.cast(tf.equal(index, 0), 'float32');
    const elsewhere = tf.add(tf.mul(first, began), tf.mul(tf.sub(1, first), NEVER));
    const candidates = tf.add(tf.mul(changed, index), tf.mul(tf.sub(1, changed), elsewhere)) as tf.Tensor2D;
    const positions = tf.sub(index, runningMaximum(candidates));
    const real = tf.cast(tf.greaterEqual(ids, 0), 'float32');
    const next = tf.add(tf.reshape(tf.slice(positions, [0, length - 1], column), [batch]), 1);
    return {
      documents: documents.clone(),
      positions: tf.cast(tf.mul(positions, real), 'int32') as tf.Tensor2D,
      starts: tf.mul(changed, real) as tf.Tensor2D,
      next: tf.cast(next, 'int32') as tf.Tensor1D,
    };
  });
}

/** Running maximum along the rows by doubling: log₂ S steps. */
function runningMaximum(values: tf.Tensor2D): tf.Tensor2D {
  const [batch, length] = values.shape;
  let best = values;
  for (let reach = 1; reach < length; reach *= 2) {
    const kept = tf.slice(best, [0, 0], [batch, length - reach]);
    best = tf.maximum(best, tf.concat([tf.fill([batch, reach], NEVER), kept], 1)) as tf.Tensor2D;
  }
  return best;
}

/** Below every index; still an exact float32. */
const NEVER = -(2 ** 24);
/** No token's document, not even padding's. */
const NO_DOCUMENT = -2;
