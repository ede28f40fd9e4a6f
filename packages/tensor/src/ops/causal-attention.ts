/** Grouped-query causal attention within documents (Vaswani et al. 2017; Ainslie et al. 2023). */
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape, checkValue } from '../errors.ts';

type Inputs = {
  q: Tensor;
  k: Tensor;
  v: Tensor;
  queryDocuments?: Tensor | undefined;
  keyDocuments?: Tensor | undefined;
};

interface Attrs {
  /** 0: no window. */
  readonly window: number;
}

/** Added to the logits of what a query may not see; exp of it is 0 in float32. */
const HIDDEN = -1e30;

const op = defineOp<Inputs, Attrs>({
  name: 'CausalAttention',
  reference: (inputs, { window }) => {
    const probabilities = attend(inputs, window);
    return [merge(tf.matMul(probabilities, keyMajor(inputs.v)), inputs.q), probabilities];
  },
  gradient: ({ dys: [dy], inputs, outputs: [, p] }) => {
    const scale = 1 / Math.sqrt(inputs.q.shape[3]!);
    const cotangent = queryMajor(dy!, inputs.k.shape[2]!);
    const dp = tf.matMul(cotangent, keyMajor(inputs.v), false, true);
    const ds = p!.mul(dp.sub(dp.mul(p!).sum(-1, true))).mul(scale);
    const back = (x: Tensor): Tensor => x.transpose([0, 2, 1, 3]);
    return {
      q: merge(tf.matMul(ds, keyMajor(inputs.k)), inputs.q),
      k: back(tf.matMul(ds, queryMajor(inputs.q, inputs.k.shape[2]!), true, false)),
      v: back(tf.matMul(p!, cotangent, true, false)),
    };
  },
});

export interface CausalAttentionOptions {
  /** [B,S] and [B,P+S] int32: a query sees keys of its own document only. Both or neither. */
  readonly queryDocuments?: Tensor2D | undefined;
  readonly keyDocuments?: Tensor2D | undefined;
  /** Positions a query sees, itself included; all before it by default. */
  readonly window?: number | undefined;
}

/**
 * q [B,S,heads,d], k and v [B,P+S,key-value heads,d], the last S keys being the queries' own positions →
 * softmax(q·kᵀ/√d) v, [B,S,heads,d]. Query head i uses key-value head ⌊i·kvHeads/heads⌋. A query always sees itself.
 * Differentiable in q, k and v; the caller owns the result.
 */
export function causalAttention(q: Tensor4D, k: Tensor4D, v: Tensor4D, options: CausalAttentionOptions = {}): Tensor4D {
  const { queryDocuments, keyDocuments, window = 0 } = options;
  const [batch, length, heads, width] = q.shape;
  checkShape(k.shape, [batch, -1, -1, width], 'causalAttention k');
  checkShape(v.shape, k.shape, 'causalAttention v');
  checkValue(heads % k.shape[2] === 0, `${heads} query heads are no multiple of ${k.shape[2]} key heads.`, 'causalAttention');
  checkValue(k.shape[1] >= length, `${length} queries but only ${k.shape[1]} keys.`, 'causalAttention');
  checkValue((queryDocuments === undefined) === (keyDocuments === undefined), 'give both document tensors or neither.', 'causalAttention');
  if (queryDocuments !== undefined) checkShape(queryDocuments.shape, [batch, length], 'causalAttention queryDocuments');
  if (keyDocuments !== undefined) checkShape(keyDocuments.shape, [batch, k.shape[1]], 'causalAttention keyDocuments');
  const [out, probabilities] = op({ q, k, v, queryDocuments, keyDocuments }, { window }) as [Tensor4D, Tensor];
  probabilities.dispose();
  return out;
}

/** Softmax over the visible keys, [B,kvHeads,rep·S,P+S]. */
function attend({ q, k, queryDocuments, keyDocuments }: Inputs, window: number): Tensor {
  const [batch, length] = q.shape as [number, number];
  const [keys, shared] = [k.shape[1]!, k.shape[2]!];
  const rep = q.shape[2]! / shared;
  const i = tf.range(keys - length, keys).expandDims(1);
  const j = tf.range(0, keys).expandDims(0);
  let visible: Tensor = j.lessEqual(i).expandDims(0);
  if (window > 0) visible = visible.logicalAnd(j.greater(i.sub(window)).expandDims(0));
  if (queryDocuments !== undefined && keyDocuments !== undefined) {
    const same = queryDocuments.cast('float32').expandDims(2).equal(keyDocuments.cast('float32').expandDims(1));
    visible = visible.logicalAnd(same);
  }
  const bias = tf.sub(1, visible.cast('float32')).mul(HIDDEN).expandDims(1).expandDims(1);
  const scores = tf.matMul(queryMajor(q, shared), keyMajor(k), false, true).mul(1 / Math.sqrt(q.shape[3]!));
  const masked = scores.reshape([batch, shared, rep, length, keys]).add(bias);
  return tf.softmax(masked).reshape([batch, shared, rep * length, keys]);
}

/** [B,S,heads,d] → [B,kvHeads,rep·S,d]: the queries that share a key head side by side. */
function queryMajor(x: Tensor, shared: number): Tensor {
  const [batch, length, heads, width] = x.shape as [number, number, number, number];
  const rep = heads / shared;
  return x.reshape([batch, length, shared, rep, width]).transpose([0, 2, 3, 1, 4]).reshape([batch, shared, rep * length, width]);
}

function keyMajor(x: Tensor): Tensor {
  return x.transpose([0, 2, 1, 3]);
}

/** The inverse of `queryMajor`, to the shape of `like`. */
function merge(x: Tensor, like: Tensor): Tensor {
  const [batch, length, heads, width] = like.shape as [number, number, number, number];
  const shared = x.shape[1]!;
  return x.reshape([batch, shared, heads / shared, length, width]).transpose([0, 3, 1, 2, 4]).reshape(like.shape);
}
