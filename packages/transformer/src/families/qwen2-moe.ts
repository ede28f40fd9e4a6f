/** Qwen1.5-MoE and Qwen2-MoE (2024): raw softmax gates and a shared expert behind a sigmoid of its own. */
import type { Family } from '../family.ts';
import { sharedExpert } from '../layout/rules.ts';
import { llamaLike } from './llama-like.ts';
import { GATED_EXPERTS, QWEN_DEFAULTS, qwenMoe, qwenSparse, qwenWindows } from './qwen.ts';

export const qwen2Moe: Family = {
  modelType: 'qwen2_moe',
  architecture: file => {
    const upTo = file.integer('max_window_layers', 28, 0);
    return llamaLike(file, {
      ...QWEN_DEFAULTS,
      attention: { inputBias: file.flag('qkv_bias', true), outputBias: false },
      window: qwenWindows(file, layer => layer % 2 === 0 && layer < upTo),
      moe: qwenMoe(file, file.integer(['num_experts', 'num_local_experts'], 60), 4, {
        shared: { intermediate: file.integer('shared_expert_intermediate_size'), gated: true },
      }),
      sparse: qwenSparse(file),
    });
  },
  tensors: [...GATED_EXPERTS, sharedExpert('shared_expert')],
};
