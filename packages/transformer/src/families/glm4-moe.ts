/** GLM-4.5 (2025): grouped-query attention with biases on q, k and v, DeepSeek-V3's router with one group. */
import type { Family } from '../family.ts';
import { beyondLayers, CORRECTED_EXPERTS, sigmoidMoe, sparseFrom } from './deepseek.ts';
import { llamaLike } from './llama-like.ts';

export const glm4Moe: Family = {
  modelType: 'glm4_moe',
  architecture: file =>
    llamaLike(file, {
      epsilon: 1e-5,
      keyValueHeads: 8,
      maxPositions: 131_072,
      rotaryShare: 0.5,
      attention: {
        outputBias: false,
        ...(file.flag('use_qk_norm', false) ? { queryKeyNorm: 'head' } : {}),
      },
      moe: sigmoidMoe(file, { experts: 128, groups: 1, kept: 1, scale: 1 }),
      sparse: sparseFrom(file, 1),
    }),
  tensors: CORRECTED_EXPERTS,
  carried: beyondLayers,
};
