/** What every kind of attention shares: turning by position, the key–value cache, and who sees whom. */
import { causalAttention } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { AttentionShape } from './architecture.ts';
import type { Rotation } from './rotary.ts';

/** Keys (already turned by their positions) and values of P positions, each [B,P,key-value heads,d]. */
export interface KeyValue {
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
}

/** What all layers of one forward pass share. */
export interface AttentionContext {
  /** By the names of `Architecture.rotaries`. */
  readonly rotations: Readonly<Record<string, Rotation>>;
  /** [B,S] int32 document of each query; none means one document per row and no padding. */
  readonly queryDocuments?: tf.Tensor2D;
  /** [B,P+S] int32 document of each key, past ones first. */
  readonly keyDocuments?: tf.Tensor2D;
}

/** q, k and v of the new positions, [B,S,heads,d], not turned. */
export interface Projected {
  readonly query: tf.Tensor4D;
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
  /** Turns q or k. */
  readonly turn: (x: tf.Tensor4D, rotation: Rotation) => tf.Tensor4D;
  readonly sinks?: tf.Tensor1D | undefined;
}

/** Attention of the new positions to the past and themselves, [B,S,heads,e], and the keys and values to cache. */
export function attend(
  { query, key: newKey, value: newValue, turn, sinks }: Projected,
  { scale, window, rotary }: AttentionShape,
  context: AttentionContext,
  past?: KeyValue,
): KeyValue & { readonly mixed: tf.Tensor4D } {
  const rotation = rotary === undefined ? undefined : context.rotations[rotary];
  const turned = (x: tf.Tensor4D): tf.Tensor4D => (rotation === undefined ? x : turn(x, rotation));
  const join = (before: tf.Tensor4D | undefined, now: tf.Tensor4D): tf.Tensor4D =>
    before === undefined ? now : tf.concat([before, now], 1);
  const key = join(past?.key, turned(newKey));
  const value = join(past?.value, newValue);
  const { queryDocuments, keyDocuments } = context;
  const options = { queryDocuments, keyDocuments, window, scale, sinks };
  const mixed = causalAttention(turned(query), key, value, options);
  return { mixed, key, value };
}
