/** What decoding carries from one call to the next: keys, values and the routers' recurrent states. */
import * as tf from '@tensorflow/tfjs-core';
import type { KeyValue } from './attend.ts';
import type { DecoderLayerOutput } from './decoder-layer.ts';
import type { Packing } from './packing.ts';

export interface LayerCache extends KeyValue {
  /** [B,G] recurrent state of the layer's router; none in dense layers and for routers without one. */
  readonly router?: tf.Tensor2D;
}

/**
 * The state after the first `length` positions. Values are never changed: a forward pass returns a new cache and
 * leaves the one it was given (dispose it with `disposeCache` once it is no longer wanted).
 */
export interface ModelCache {
  /** Positions held, padding included. */
  readonly length: number;
  /** One per layer; empty while `length` is 0. */
  readonly layers: readonly LayerCache[];
  /** [B,length] int32 document of each position, −1 for padding; none while no call gave a mask or documents. */
  readonly documents?: tf.Tensor2D;
  /** [B] int32 position that the next token of the last document gets; exists with `documents`. */
  readonly next?: tf.Tensor1D;
  /** [] int32 largest position of any row; of models with LongRoPE, and only where it is not `length` − 1. */
  readonly farthest?: tf.Scalar;
}

/** A cache before the first token; given to a forward pass it asks for a cache in return. */
export function emptyCache(): ModelCache {
  return { length: 0, layers: [] };
}

/** Releases every tensor of a cache. */
export function disposeCache(cache: ModelCache): void {
  const tensors = cache.layers.flatMap(({ key, value, router }) => [key, value, router]);
  for (const tensor of [...tensors, cache.documents, cache.next, cache.farthest]) tensor?.dispose();
}

/** The documents of the positions held, [B,length] int32: all 0 while none were given. */
export function pastDocuments(past: ModelCache, batch: number): tf.Tensor2D {
  return past.documents ?? tf.zeros([batch, past.length], 'int32');
}

/** What one forward pass adds to a cache. */
export interface CacheAdvance {
  /** Per layer, past and new positions together. */
  readonly keyValues: readonly KeyValue[];
  readonly outputs: readonly DecoderLayerOutput[];
  readonly packing: Packing | undefined;
  readonly farthest: tf.Scalar | undefined;
  /** New positions. */
  readonly length: number;
}

/** The next cache; call it inside a `tidy`. */
export function advanceCache(
  past: ModelCache,
  { keyValues, outputs, packing, length, farthest }: CacheAdvance,
): ModelCache {
  const layers = keyValues.map(({ key, value }, i): LayerCache => {
    const router = outputs[i]!.routing?.cache;
    return { key, value, ...(router === undefined ? {} : { router }) };
  });
  const next = { length: past.length + length, layers, ...(farthest === undefined ? {} : { farthest }) };
  if (packing === undefined) return next;
  const { documents } = packing;
  const all =
    past.length === 0 ? documents : tf.concat([pastDocuments(past, documents.shape[0]), documents], 1);
  return { ...next, documents: all, next: packing.next };
}
