/** Gemma 3, text (2025): four norms a layer that add 1 to their weight, local layers with a rotary base of their own. */
import type { ConfigFile } from '../config-file.ts';
import type { Family } from '../family.ts';
import { assemble, groupedAttention, windows } from './llama-like.ts';
import { readRope } from './rope.ts';

/** `sliding_window_pattern`: the last of that many layers is global; `layer_types` says the same of each. */
function localWindow(file: ConfigFile): (layer: number) => number | undefined {
  const pattern = file.integer(['sliding_window_pattern', '_sliding_window_pattern'], 6);
  return windows(file, file.integer('sliding_window', 4096), layer => (layer + 1) % pattern !== 0);
}

export const gemma3: Family = {
  modelType: 'gemma3_text',
  architecture: file => {
    file.expect('hidden_activation', ['gelu_pytorch_tanh']);
    file.expect('attn_logit_softcapping', []);
    file.expect('final_logit_softcapping', []);
    file.expect('use_bidirectional_attention', [false]);
    const defaults = { headDim: 256, keyValueHeads: 4, maxPositions: 131_072, tied: true };
    const attention = groupedAttention(file, {
      ...defaults,
      attention: { queryKeyNorm: 'head', scale: file.positive('query_pre_attn_scalar', 256) ** -0.5 },
    });
    const { headDim } = attention;
    const localTheta = file.positive('rope_local_base_freq', 10_000);
    const newStyle = file.has('rope_parameters');
    const rotaries = {
      global: readRope(file, { headDim, theta: 1e6, layerType: 'full_attention' }),
      // unscaled, and in the published style with a key of its own
      local: newStyle
        ? readRope(file, { headDim, theta: localTheta, layerType: 'sliding_attention' })
        : { width: headDim, theta: localTheta },
    };
    const window = localWindow(file);
    const base = assemble(file, defaults, rotaries, layer => {
      const size = window(layer);
      return { ...attention, window: size, rotary: size === undefined ? 'global' : 'local' };
    });
    return {
      ...base,
      embeddingScale: Math.sqrt(base.hidden),
      norm: { kind: 'rms', epsilon: base.norm.epsilon, offset: 1 },
      outputNorms: true,
      dense: { ...base.dense, activation: 'geglu' },
    };
  },
  tensors: [],
};
