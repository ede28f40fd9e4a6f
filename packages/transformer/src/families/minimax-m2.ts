/** MiniMax-M2 (2025): QK norm over the full width, half of a head turned, sigmoid gates with a correction bias. */
import type { Family } from '../family.ts';
import { perExpert, renamed } from '../layout/rules.ts';
import { groupedAttention, llamaLike, publishedMoe } from './llama-like.ts';

export const minimaxM2: Family = {
  modelType: 'minimax_m2',
  architecture: file => {
    file.expect('scoring_func', ['sigmoid']);
    file.expect('qk_norm_type', ['per_layer']);
    const defaults = { headDim: 128, keyValueHeads: 8, theta: 5e6, maxPositions: 196_608 };
    const { headDim } = groupedAttention(file, defaults);
    return llamaLike(file, {
      ...defaults,
      rotaryShare: file.integer('rotary_dim', headDim) / headDim,
      ...(file.flag('use_qk_norm', true) ? { attention: { queryKeyNorm: 'full' } } : {}),
      moe: publishedMoe(file, {
        experts: file.integer('num_local_experts', 256),
        k: 8,
        intermediate: file.integer('intermediate_size'),
        router: { scores: 'sigmoid', correction: file.flag('use_routing_bias', true), normalise: true },
      }),
    });
  },
  tensors: [
    renamed(/\.mlp\.router\.gate\./, '.block_sparse_moe.gate.'),
    renamed(/\.mlp\.router\.state\.correction_bias$/, '.block_sparse_moe.e_score_correction_bias'),
    perExpert({ block: 'block_sparse_moe.experts', gate: 'w1', up: 'w3', down: 'w2' }),
    renamed(/\.mlp\.router\.gate\./, '.mlp.gate.'), // v5
    renamed(/\.mlp\.router\.state\.correction_bias$/, '.mlp.e_score_correction_bias'),
  ],
};
