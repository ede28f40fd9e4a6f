/** Our own configuration as the content of a `config.json`. */
import type { ModelConfig } from './config.ts';
import { attentionShape } from './config.ts';
import type { Json } from './config-file.ts';

/**
 * The object to write as `config.json`: a `llama` in Hugging Face's own keys, so that any of its readers takes it;
 * a `spectra` as its configuration, every default spelled out.
 */
export function toHfConfig(config: ModelConfig): Json {
  if (config.model_type === 'spectra') return { ...config };
  const { heads, keyValueHeads, headDim } = attentionShape(config);
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    vocab_size: config.vocab_size,
    hidden_size: config.hidden_size,
    intermediate_size: config.intermediate_size,
    num_hidden_layers: config.num_hidden_layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    head_dim: headDim,
    hidden_act: 'silu',
    rms_norm_eps: config.rms_norm_eps,
    max_position_embeddings: config.max_position_embeddings,
    rope_theta: config.rope_theta,
    rope_scaling: config.rope_scaling ?? null,
    attention_bias: config.attention_bias,
    mlp_bias: config.mlp_bias,
    tie_word_embeddings: config.tie_word_embeddings,
    torch_dtype: 'float32',
  };
}
