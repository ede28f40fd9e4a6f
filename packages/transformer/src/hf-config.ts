/**
 * Hugging Face's `config.json` of a Llama, read into our configuration and written back. Files of transformers v4
 * and v5 say the same in other places: v5 keeps everything rotary in `rope_parameters`.
 */
import { SpectraError } from '@spectra/tensor';
import type { ModelConfig } from './config.ts';
import { attentionShape, parseModelConfig } from './config.ts';

type Json = Readonly<Record<string, unknown>>;

/** Keys taken over as they are; all others of the file describe training, dtype or the library and are left. */
const SHARED_KEYS = [
  'vocab_size',
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'intermediate_size',
  'rms_norm_eps',
  'max_position_embeddings',
  'sliding_window',
  'attention_bias',
  'mlp_bias',
] as const;

/** What a Llama's file means where it leaves a key out, which is not always our own default. */
const LLAMA_DEFAULTS = {
  rms_norm_eps: 1e-6,
  rope_theta: 10_000,
  max_position_embeddings: 2048,
  tie_word_embeddings: false,
};

const REQUIRED_KEYS = [
  'vocab_size',
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'intermediate_size',
] as const;

/**
 * Reads the `config.json` of a `llama` checkpoint (v4 or v5 keys) or of our own `spectra` model. Throws
 * `CONFIG_INVALID` for another model type, another activation, an unknown rotary scaling or a missing size.
 */
export function fromHfConfig(file: unknown, where = 'config.json'): ModelConfig {
  if (!isObject(file)) throw invalid('the file holds no object.', where);
  if (file.model_type === 'spectra') return parseModelConfig(file, where);
  if (file.model_type !== 'llama') {
    throw invalid(`model_type ${JSON.stringify(file.model_type)} is not one of "llama", "spectra".`, where);
  }
  const act = file.hidden_act ?? 'silu';
  if (act !== 'silu') throw invalid(`hidden_act ${JSON.stringify(act)} is not "silu".`, where);
  for (const key of REQUIRED_KEYS) if (file[key] === undefined) throw invalid(`${key} is missing.`, where);

  const config: Record<string, unknown> = { ...LLAMA_DEFAULTS, model_type: 'llama', positions: 'rotary' };
  for (const key of SHARED_KEYS) {
    const value = file[key];
    if (value !== undefined && value !== null) config[key] = value;
  }
  config.tie_word_embeddings = file.tie_word_embeddings ?? LLAMA_DEFAULTS.tie_word_embeddings;
  const rope = isObject(file.rope_parameters) ? file.rope_parameters : file.rope_scaling;
  const theta = file.rope_theta ?? (isObject(rope) ? rope.rope_theta : undefined);
  if (theta !== undefined) config.rope_theta = theta;
  const scaling = isObject(rope) ? ropeScaling(rope, file, where) : undefined;
  if (scaling !== undefined) config.rope_scaling = scaling;
  return parseModelConfig(config, where);
}

function ropeScaling(rope: Json, file: Json, where: string): Json | undefined {
  const type = rope.rope_type ?? rope.type ?? 'default';
  switch (type) {
    case 'default':
      return undefined;
    case 'linear':
      return { rope_type: 'linear', factor: rope.factor };
    case 'llama3':
      return {
        rope_type: 'llama3',
        factor: rope.factor,
        low_freq_factor: rope.low_freq_factor,
        high_freq_factor: rope.high_freq_factor,
        original_max_position_embeddings:
          rope.original_max_position_embeddings ??
          file.original_max_position_embeddings ??
          file.max_position_embeddings,
      };
    default:
      throw invalid(`rope_type ${JSON.stringify(type)} is not one of "default", "linear", "llama3".`, where);
  }
}

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
    ...(config.sliding_window === undefined ? {} : { sliding_window: config.sliding_window }),
    tie_word_embeddings: config.tie_word_embeddings,
    torch_dtype: 'float32',
  };
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(message: string, where: string): SpectraError {
  return new SpectraError('CONFIG_INVALID', {
    message,
    where,
    fix: 'Use a Llama checkpoint or a model saved by this package.',
  });
}
