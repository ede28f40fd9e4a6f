/** Small models and token arrays for the tests of this package. */
import { Rng } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfigInput } from './config.ts';

/** A dense decoder of a few thousand weights, with every option of the attention in use. */
export const TINY: ModelConfigInput = {
  vocab_size: 29,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 64,
  initializer: { embedding: 0.5 },
};

type MoeInput = NonNullable<ModelConfigInput['moe']>;

/** The same with mixture-of-experts layers. */
export function tinyMoe(router: MoeInput['router'], more: Partial<ModelConfigInput> = {}): ModelConfigInput {
  const moe: MoeInput = { experts: 4, k: 2, intermediate_size: 12, initializer_std: 0.3, router };
  return { ...TINY, num_hidden_layers: 3, moe, ...more };
}

/** The smallest SPECTRA router. */
export const SPECTRA = { kind: 'spectra', router_dim: 4, state_size: 6 } as const;

/** Rows of random tokens. */
export function randomRows(seed: number, rows: number, length: number, vocabulary = 29): number[][] {
  const rng = new Rng(seed);
  return Array.from({ length: rows }, () =>
    Array.from({ length }, () => Math.floor(rng.uniform(0, vocabulary))),
  );
}

export function ids(rows: readonly (readonly number[])[]): tf.Tensor2D {
  return tf.tensor2d(rows as number[][], undefined, 'int32');
}

export async function largestDifference(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  const [x, y] = await Promise.all([a.data(), b.data()]);
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const found = Math.abs(x[i]! - y[i]!);
    if (!(found <= most)) most = found; // also NaN
  }
  return most;
}
