/** Causal attention in plain tfjs ops: builds the whole [queries, keys] matrix. */
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionAttrs, AttentionInputs } from '../../ops/causal-attention.ts';

/** Added to the scores of what a query may not see: exp of it is 0 in float32. */
const HIDDEN = -1e30;

/** [result [B,S,heads,e], ln Σ e^score [B,heads,S]]. */
export function attend(inputs: AttentionInputs, attrs: AttentionAttrs): Tensor[] {
  const { q, k, v } = inputs;
  const [batch, length, heads] = q.shape as [number, number, number];
  const valueWidth = v.shape[3]!;
  if (q.size === 0 || v.size === 0)
    return [tf.zeros([batch, length, heads, valueWidth]), tf.zeros([batch, heads, length])];
  const { masked, some } = scores(inputs, attrs);
  const peak = masked.max(-1, true);
  const powers = masked.sub(peak).exp();
  const total = powers.sum(-1, true);
  const probabilities = powers.div(total).mul(some);
  const out = tf.matMul(flat(probabilities, k), keyMajor(v));
  return [merge(out, heads), total.log().add(peak).reshape([batch, heads, length])];
}

/** [dq, dk, dv]: with p the probabilities, dS = p ⊙ (dp − Σ dy ⊙ out)·scale. */
export function attendGrad(
  inputs: AttentionInputs & { out: Tensor; normaliser: Tensor; dy: Tensor },
  attrs: AttentionAttrs,
): Tensor[] {
  const { q, k, v, out, dy } = inputs;
  if (q.size === 0 || v.size === 0) return [tf.zerosLike(q), tf.zerosLike(k), tf.zerosLike(v)];
  const shared = k.shape[2]!;
  const { masked, some } = scores(inputs, attrs);
  const p = flat(tf.softmax(masked).mul(some), k);
  const cotangent = queryMajor(dy, shared);
  const dp = tf.matMul(cotangent, keyMajor(v), false, true);
  const mean = queryMajor(dy.mul(out).sum(-1, true), shared);
  const ds = p.mul(dp.sub(mean)).mul(attrs.scale);
  return [
    merge(tf.matMul(ds, keyMajor(k)), q.shape[2]!),
    keyMajor(tf.matMul(ds, queryMajor(q, shared), true, false)),
    keyMajor(tf.matMul(p, cotangent, true, false)),
  ];
}

/** Scores [B,kvHeads,rep,S,K] with the hidden ones far below, and [B or 1,1,1,S,1] whether a query sees any key. */
function scores(
  inputs: AttentionInputs,
  { window, scale }: AttentionAttrs,
): { masked: Tensor; some: Tensor } {
  const { q, k, queryDocuments, keyDocuments } = inputs;
  const [batch, length, heads] = q.shape as [number, number, number];
  const [keys, shared] = [k.shape[1]!, k.shape[2]!];
  const i = tf.range(keys - length, keys).expandDims(1);
  const j = tf.range(0, keys).expandDims(0);
  let visible: Tensor = j.lessEqual(i).expandDims(0);
  if (window > 0) visible = visible.logicalAnd(j.greater(i.sub(window)).expandDims(0));
  if (queryDocuments !== undefined && keyDocuments !== undefined) {
    // float32: exact below 2^24, and every backend compares it
    const of = keyDocuments.cast('float32').expandDims(1);
    visible = visible.logicalAnd(queryDocuments.cast('float32').expandDims(2).equal(of));
    visible = visible.logicalAnd(of.greaterEqual(0));
  }
  const live = visible.cast('float32').expandDims(1).expandDims(1);
  const all = tf.matMul(queryMajor(q, shared), keyMajor(k), false, true).mul(scale);
  const masked = all.reshape([batch, shared, heads / shared, length, keys]).add(tf.sub(1, live).mul(HIDDEN));
  return { masked, some: live.max(-1, true) };
}

/** [B,kvHeads,rep,S,K] → [B,kvHeads,rep·S,K]. */
function flat(x: Tensor, k: Tensor): Tensor {
  return x.reshape([k.shape[0]!, k.shape[2]!, -1, k.shape[1]!]);
}

/** [B,S,heads,d] → [B,kvHeads,rep·S,d]: the queries that share a key head side by side. */
function queryMajor(x: Tensor, shared: number): Tensor {
  const [batch, length, heads, width] = x.shape as [number, number, number, number];
  const rep = heads / shared;
  return x
    .reshape([batch, length, shared, rep, width])
    .transpose([0, 2, 3, 1, 4])
    .reshape([batch, shared, rep * length, width]);
}

/** [B,K,kvHeads,d] ↔ [B,kvHeads,K,d]. */
function keyMajor(x: Tensor): Tensor {
  return x.transpose([0, 2, 1, 3]);
}

/** [B,kvHeads,rep·S,e] → [B,S,heads,e], the inverse of `queryMajor`. */
function merge(x: Tensor, heads: number): Tensor {
  const [batch, shared, rows, width] = x.shape as [number, number, number, number];
  const rep = heads / shared;
  const length = rows / rep;
  return x
    .reshape([batch, shared, rep, length, width])
    .transpose([0, 3, 1, 2, 4])
    .reshape([batch, length, heads, width]);
}
