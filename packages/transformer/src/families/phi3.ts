/** Phi-3 (Abdin et al. 2024): q, k, v and gate, up in one matrix each, part of a head turned, LongRoPE. */
import type { Family } from '../family.ts';
import { fusedRows } from '../layout/rules.ts';
import { llamaLike, windowEverywhere } from './llama-like.ts';

export const phi3: Family = {
  modelType: 'phi3',
  architecture: file =>
    llamaLike(file, { epsilon: 1e-5, maxPositions: 4096, window: windowEverywhere(file) }),
  tensors: [fusedRows],
};
