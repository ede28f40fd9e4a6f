/** Qwen2 (Yang et al. 2024): a Llama with biases on q, k and v. */
import type { Family } from '../family.ts';
import { llamaLike } from './llama-like.ts';
import { QWEN_DEFAULTS, upperWindows } from './qwen.ts';

export const qwen2: Family = {
  modelType: 'qwen2',
  architecture: file =>
    llamaLike(file, {
      ...QWEN_DEFAULTS,
      attention: { inputBias: true, outputBias: false },
      window: upperWindows(file),
    }),
  tensors: [],
};
