/** One forward pass of decoding, with what the host needs read back: last logits and every token's route. */
import type { Balance } from '@spectra/routing';
import { readTensors, tidied } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { disposeCache, type ModelCache } from './cache.ts';
import type { DecoderModel } from './decoder-model.ts';

/** How one token was routed: per mixture-of-experts layer from below, its experts by falling gate. */
export interface TokenRoute {
  readonly experts: readonly (readonly number[])[];
  readonly gates: readonly (readonly number[])[];
}

export interface DecodePass {
  /** Per row, of its last position. */
  readonly logits: readonly Float32Array[];
  /** Per row and position. */
  readonly routes: readonly (readonly TokenRoute[])[];
  readonly cache: ModelCache;
}

/**
 * Runs `feed` (B rows of S tokens) after `cache`, which it disposes once it has the next one. `mask` is 1 for a
 * token, 0 for padding; none means all tokens.
 */
export async function decodePass(
  model: DecoderModel,
  feed: readonly (readonly number[])[],
  mask: readonly (readonly number[])[] | undefined,
  balance: Balance,
  cache: ModelCache,
): Promise<DecodePass> {
  const shape: [number, number] = [feed.length, feed[0]!.length];
  const { next, logits, decisions } = tidied(() => {
    const out = model.forward({
      inputIds: tf.tensor2d(feed.flat(), shape, 'int32'),
      mask: mask === undefined ? undefined : tf.tensor2d(mask.flat(), shape, 'float32'),
      balance,
      cache,
      logits: 'last',
    });
    const decisions = out.routings.map(({ indices, weights }) => ({ indices, weights }));
    return { next: out.cache!, logits: out.logits, decisions };
  });
  disposeCache(cache);
  try {
    // one wait for all of them
    const tensors: Record<string, tf.Tensor> = { logits };
    decisions.forEach(({ indices, weights }, layer) => {
      tensors[`${layer}/indices`] = indices;
      tensors[`${layer}/weights`] = weights;
    });
    const host = await readTensors(tensors);
    const values = host.logits!;
    const layers = decisions.map(({ indices }, layer) => ({
      slots: indices.shape[1],
      indices: host[`${layer}/indices`]!,
      weights: host[`${layer}/weights`]!,
    }));
    const vocabulary = values.length / shape[0];
    return {
      logits: feed.map((_, r) => values.subarray(r * vocabulary, (r + 1) * vocabulary) as Float32Array),
      routes: feed.map((row, r) => row.map((_, s) => routeOf(layers, r * shape[1] + s))),
      cache: next,
    };
  } catch (error) {
    disposeCache(next);
    throw error;
  } finally {
    tf.dispose([logits, ...decisions.flatMap(({ indices, weights }) => [indices, weights])]);
  }
}

interface HostDecision {
  readonly slots: number;
  readonly indices: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
}

function routeOf(layers: readonly HostDecision[], token: number): TokenRoute {
  const experts: number[][] = [];
  const gates: number[][] = [];
  for (const { slots, indices, weights } of layers) {
    // slots come by falling score, which a dropped slot (−1) has none of
    const live = Array.from({ length: slots }, (_, j) => token * slots + j).filter(i => indices[i]! >= 0);
    live.sort((a, b) => weights[b]! - weights[a]! || a - b);
    experts.push(live.map(i => indices[i]!));
    gates.push(live.map(i => weights[i]!));
  }
  return { experts, gates };
}
