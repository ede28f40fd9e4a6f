/** Qwen3-MoE (Yang et al. 2025): Qwen3's attention, softmax gates, no shared expert. */
import type { Family } from '../family.ts';
import { llamaLike } from './llama-like.ts';
import { GATED_EXPERTS, QWEN_DEFAULTS, qwenMoe, qwenSparse, qwenWindows } from './qwen.ts';

export const qwen3Moe: Family = {
  modelType: 'qwen3_moe',
  architecture: file =>
    llamaLike(file, {
      ...QWEN_DEFAULTS,
      keyValueHeads: 4,
      attention: { queryKeyNorm: 'head' },
      window: qwenWindows(file, () => true),
      moe: qwenMoe(file, file.integer(['num_experts', 'num_local_experts'], 128), 8),
      sparse: qwenSparse(file),
    }),
  tensors: GATED_EXPERTS,
};
