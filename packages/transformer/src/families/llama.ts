/** Llama 2 and 3 (Touvron et al. 2023; Grattafiori et al. 2024), and what shares its architecture, such as SmolLM2. */
import type { Family } from '../family.ts';
import { llamaLike } from './llama-like.ts';

export const llama: Family = {
  modelType: 'llama',
  architecture: file => {
    // null or nothing: a Llama of transformers has none
    file.expect('sliding_window', []);
    return llamaLike(file);
  },
  tensors: [],
};
