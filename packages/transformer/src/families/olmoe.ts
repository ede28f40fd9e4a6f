/** OLMoE (Muennighoff et al. 2024): QK norm over the full width, an optional clamp, raw softmax gates. */
import type { Family } from '../family.ts';
import { llamaLike, publishedMoe } from './llama-like.ts';
import { GATED_EXPERTS } from './qwen.ts';

export const olmoe: Family = {
  modelType: 'olmoe',
  architecture: file => {
    const intermediate = file.integer('intermediate_size');
    return llamaLike(file, {
      epsilon: 1e-5,
      maxPositions: 4096,
      attention: { queryKeyNorm: 'full', clip: file.optionalNumber('clip_qkv') },
      moe: publishedMoe(file, {
        experts: file.integer('num_experts', 64),
        k: 8,
        intermediate,
        router: { scores: 'softmax', normalise: file.flag('norm_topk_prob', false) },
      }),
    });
  },
  tensors: GATED_EXPERTS,
};
