/** Our own models: every option of `ModelConfig`, under our own names. */
import type { Architecture } from '../architecture.ts';
import { attentionShape, type ModelConfig, parseModelConfig } from '../config.ts';
import type { ConfigFile } from '../config-file.ts';
import type { Family } from '../family.ts';
import { ROTARY } from './llama-like.ts';

export function ownArchitecture(config: ModelConfig): Architecture {
  const { heads, keyValueHeads, headDim } = attentionShape(config);
  const { moe } = config;
  const turned = config.positions === 'rotary';
  const attention = {
    kind: 'grouped',
    heads,
    keyValueHeads,
    headDim,
    inputBias: config.attention_bias,
    outputBias: config.attention_bias,
    sinks: false,
    scale: headDim ** -0.5,
    window: config.sliding_window,
    rotary: turned ? ROTARY : undefined,
  } as const;
  const firstSparse = moe === undefined ? Number.POSITIVE_INFINITY : moe.first_dense_layers;
  return {
    vocabulary: config.vocab_size,
    hidden: config.hidden_size,
    maxPositions: config.max_position_embeddings,
    learnedPositions: turned ? undefined : config.max_position_embeddings,
    embeddingScale: 1,
    tied: config.tie_word_embeddings,
    norm: { kind: 'rms', epsilon: config.rms_norm_eps, offset: 0 },
    outputNorms: false,
    rotaries: turned
      ? { [ROTARY]: { width: headDim, theta: config.rope_theta, scaling: config.rope_scaling } }
      : {},
    layers: Array.from({ length: config.num_hidden_layers }, (_, layer) => ({
      attention,
      sparse: layer >= firstSparse,
    })),
    dense: { intermediate: config.intermediate_size, activation: 'swiglu', bias: config.mlp_bias },
    moe: moe && {
      experts: moe.experts,
      k: moe.k,
      intermediate: moe.intermediate_size,
      activation: 'swiglu',
      bias: false,
      shared:
        moe.shared_experts === 0
          ? undefined
          : { intermediate: moe.intermediate_size * moe.shared_experts, gated: false },
      scale: moe.scale,
      router: moe.router,
      initializerStd: moe.initializer_std,
    },
    initializer: config.initializer,
    recompute: config.recompute,
  };
}

export const spectra: Family = {
  modelType: 'spectra',
  architecture: (file: ConfigFile) => ownArchitecture(parseModelConfig(file.content, file.where)),
  tensors: [],
};
