/** Qwen3 (Yang et al. 2025): a Llama whose queries and keys are normalised head by head. */
import type { Family } from '../family.ts';
import { llamaLike } from './llama-like.ts';
import { QWEN_DEFAULTS, upperWindows } from './qwen.ts';

export const qwen3: Family = {
  modelType: 'qwen3',
  architecture: file =>
    llamaLike(file, {
      ...QWEN_DEFAULTS,
      headDim: 128,
      attention: { queryKeyNorm: 'head' },
      window: upperWindows(file),
    }),
  tensors: [],
};
