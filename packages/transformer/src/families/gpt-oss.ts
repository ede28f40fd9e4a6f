/** GPT-OSS (2025): sinks, every other layer windowed, raw scores, experts with biases and a clamped gate. */
import type { Family } from '../family.ts';
import { pairedExperts, renamed } from '../layout/rules.ts';
import { llamaLike, publishedMoe, windows } from './llama-like.ts';

export const gptOss: Family = {
  modelType: 'gpt_oss',
  architecture: file => {
    file.expect('swiglu_alpha', [1.702]);
    const bias = file.flag('attention_bias', true);
    const intermediate = file.integer('intermediate_size');
    return llamaLike(file, {
      theta: 150_000,
      epsilon: 1e-5,
      keyValueHeads: 8,
      headDim: 64,
      maxPositions: 131_072,
      attention: { sinks: true, inputBias: bias, outputBias: bias },
      window: windows(file, file.integer('sliding_window', 128), layer => layer % 2 === 0),
      moe: publishedMoe(file, {
        experts: file.integer('num_local_experts', 128),
        k: 4,
        intermediate,
        router: { scores: 'raw', bias: true },
        more: { activation: 'clamped-glu', bias: true, limit: file.positive('swiglu_limit', 7) },
      }),
    });
  },
  tensors: [renamed(/\.mlp\.router\.gate\./, '.mlp.router.'), pairedExperts],
};
