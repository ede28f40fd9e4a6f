/** Mistral 7B (Jiang et al. 2023): a Llama with a sliding window. */
import type { Family } from '../family.ts';
import { llamaLike, windowEverywhere } from './llama-like.ts';

export const mistral: Family = {
  modelType: 'mistral',
  architecture: file =>
    llamaLike(file, {
      keyValueHeads: 8,
      maxPositions: 131_072,
      // null is no window; a file without the key means the first model's
      window: file.states('sliding_window') ? windowEverywhere(file) : windowEverywhere(file, 4096),
    }),
  tensors: [],
};
