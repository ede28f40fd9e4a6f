/**
 * What a decoder is, as data: one schema gives the type, the defaults, the validation, the documentation and
 * (through `z.toJSONSchema`) the editor's help. Keys are those of Hugging Face's `config.json`.
 */
import { SpectraError } from '@spectra/tensor';
import { z } from 'zod';
import { moeConfigSchema } from './moe-config.ts';
import { ropeScalingSchema } from './rope-scaling.ts';

const positiveInteger = z.int().positive();

export const modelConfigSchema = z
  .strictObject({
    model_type: z
      .enum(['spectra', 'llama'])
      .default('spectra')
      .describe(
        "'llama': a dense model that is saved as a plain Hugging Face Llama; 'spectra': the same decoder with every option here.",
      ),
    vocab_size: positiveInteger.describe('Rows of the embedding and of the output head.'),
    hidden_size: positiveInteger.default(128).describe('Width of the residual stream.'),
    num_hidden_layers: positiveInteger.default(4).describe('Decoder layers.'),
    num_attention_heads: positiveInteger.default(4).describe('Query heads.'),
    num_key_value_heads: positiveInteger
      .optional()
      .describe(
        'Key and value heads, each shared by an equal number of query heads; by default one per query head.',
      ),
    head_dim: positiveInteger
      .optional()
      .describe('Width of a head; by default hidden_size / num_attention_heads.'),
    intermediate_size: positiveInteger.default(512).describe('Inner width of a dense SwiGLU MLP.'),
    rms_norm_eps: z.number().positive().default(1e-5).describe('Added to the mean square in RMSNorm.'),
    positions: z
      .enum(['rotary', 'learned'])
      .default('rotary')
      .describe(
        "'rotary': q and k are turned by their position; 'learned': a trained vector per position is added to the embedding.",
      ),
    rope_theta: z.number().positive().default(10_000).describe('Base of the rotary frequencies.'),
    rope_scaling: ropeScalingSchema
      .optional()
      .describe('Scaling of the rotary frequencies; none by default.'),
    max_position_embeddings: positiveInteger
      .default(2048)
      .describe('Longest context. A hard limit of learned positions and of positions given explicitly.'),
    sliding_window: positiveInteger
      .optional()
      .describe('Positions a token sees, itself included: i − window < j ≤ i; by default all before it.'),
    tie_word_embeddings: z.boolean().default(true).describe('Whether the output head is the embedding.'),
    attention_bias: z.boolean().default(false).describe('Biases on the q, k, v and o projections.'),
    mlp_bias: z.boolean().default(false).describe('Biases in the dense MLPs.'),
    initializer: z
      .strictObject({
        embedding: z.number().positive().default(0.05).describe('Standard deviation of the token embedding.'),
        position: z.number().positive().default(0.02).describe('Standard deviation of learned positions.'),
        linear: z
          .number()
          .positive()
          .optional()
          .describe(
            'Standard deviation of attention and MLP weights; by default 1/√(3·inputs), that of the usual ±1/√inputs.',
          ),
      })
      .prefault({})
      .describe('How weights are drawn: normal, from a stream per parameter name.'),
    recompute: z
      .boolean()
      .default(false)
      .describe(
        'Gradient checkpointing: keep only the input of each layer and run it again in the backward pass.',
      ),
    moe: moeConfigSchema
      .optional()
      .describe('Mixture-of-experts layers in place of the dense MLPs; without it all are dense.'),
  })
  .superRefine((config, context) => {
    const issue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    const { heads, keyValueHeads, headDim } = attentionShape(config);
    if (!Number.isInteger(headDim)) {
      issue(
        ['head_dim'],
        `hidden_size ${config.hidden_size} is no multiple of num_attention_heads ${heads}: give head_dim.`,
      );
    } else if (config.positions === 'rotary' && headDim % 2 === 1) {
      issue(['head_dim'], `rotary positions turn pairs: a head of width ${headDim} must be even.`);
    }
    if (heads % keyValueHeads !== 0) {
      issue(['num_key_value_heads'], `num_attention_heads ${heads} is no multiple of ${keyValueHeads}.`);
    }
    if (config.moe !== undefined && config.moe.first_dense_layers > config.num_hidden_layers) {
      issue(['moe', 'first_dense_layers'], `there are only ${config.num_hidden_layers} layers.`);
    }
    if (config.model_type === 'llama' && (config.moe !== undefined || config.positions !== 'rotary')) {
      issue(['model_type'], "a 'llama' is dense with rotary positions: use model_type 'spectra'.");
    }
    if (config.model_type === 'llama' && config.sliding_window !== undefined) {
      issue(
        ['sliding_window'],
        "a 'llama' has none, and its readers would not see it: use model_type 'spectra'.",
      );
    }
    if (config.rope_scaling?.rope_type === 'llama3') {
      const { low_freq_factor: low, high_freq_factor: high } = config.rope_scaling;
      if (high <= low)
        issue(['rope_scaling', 'high_freq_factor'], `${high} must be above low_freq_factor ${low}.`);
    }
    if (config.rope_scaling?.rope_type === 'longrope') {
      for (const key of ['short_factor', 'long_factor'] as const) {
        const { length } = config.rope_scaling[key];
        if (length !== headDim / 2)
          issue(['rope_scaling', key], `${length} factors for ${headDim / 2} frequencies.`);
      }
    }
  });

/** A complete configuration, defaults filled in. */
export type ModelConfig = z.infer<typeof modelConfigSchema>;
/** What a user may write: keys with a default can be left out. */
export type ModelConfigInput = z.input<typeof modelConfigSchema>;

/** Validates a configuration and fills in defaults; throws `CONFIG_INVALID` naming every bad key. */
export function parseModelConfig(value: unknown, where = 'model config'): ModelConfig {
  const result = modelConfigSchema.safeParse(value);
  if (result.success) return result.data;
  throw new SpectraError('CONFIG_INVALID', {
    message: z.prettifyError(result.error),
    where,
    fix: 'Correct the keys named above; the schema is `modelConfigSchema` of @spectra/transformer.',
    cause: result.error,
  });
}

/** Heads and their width with the defaults resolved. */
export function attentionShape(
  config: Pick<ModelConfig, 'hidden_size' | 'num_attention_heads' | 'num_key_value_heads' | 'head_dim'>,
): { readonly heads: number; readonly keyValueHeads: number; readonly headDim: number } {
  const heads = config.num_attention_heads;
  return {
    heads,
    keyValueHeads: config.num_key_value_heads ?? heads,
    headDim: config.head_dim ?? config.hidden_size / heads,
  };
}
