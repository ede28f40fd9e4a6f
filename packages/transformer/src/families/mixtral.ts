/** Mixtral (Jiang et al. 2024): Mistral's attention, softmax over all experts, gates of the chosen sum to 1. */
import type { Family } from '../family.ts';
import { perExpert, renamed } from '../layout/rules.ts';
import { llamaLike, publishedMoe, windowEverywhere } from './llama-like.ts';

export const mixtral: Family = {
  modelType: 'mixtral',
  architecture: file =>
    llamaLike(file, {
      theta: 1e6,
      epsilon: 1e-5,
      keyValueHeads: 8,
      maxPositions: 131_072,
      window: windowEverywhere(file),
      moe: publishedMoe(file, {
        experts: file.integer('num_local_experts', 8),
        k: 2,
        intermediate: file.integer('intermediate_size'),
        router: { scores: 'softmax', normalise: true },
      }),
    }),
  tensors: [
    renamed(/\.mlp\.router\.gate\./, '.block_sparse_moe.gate.'),
    perExpert({ block: 'block_sparse_moe.experts', gate: 'w1', up: 'w3', down: 'w2' }),
    renamed(/\.mlp\.router\.gate\./, '.mlp.gate.'), // v5
  ],
};
