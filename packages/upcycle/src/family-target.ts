/** The published mixture-of-experts family that belongs to a dense one, and its `config.json`. */
import { checkValue, SpectraError } from '@spectra/tensor';
import { type Architecture, describeModel, type Json, type ModelDescription } from '@spectra/transformer';
import type { Resolved } from './options.ts';

const TARGETS: Readonly<Record<string, { readonly type: string; readonly name: string }>> = {
  llama: { type: 'mixtral', name: 'MixtralForCausalLM' },
  mistral: { type: 'mixtral', name: 'MixtralForCausalLM' },
  qwen2: { type: 'qwen2_moe', name: 'Qwen2MoeForCausalLM' },
  qwen3: { type: 'qwen3_moe', name: 'Qwen3MoeForCausalLM' },
};

/** `VALUE` where the family has no counterpart, or the counterpart cannot express the model. */
export function familyTarget(source: ModelDescription, resolved: Resolved): Json {
  const { architecture: dense, config } = source;
  const { modelType } = source.family;
  const target = TARGETS[modelType];
  const where = 'upcycle router';
  const fix = "Choose one of our routers, such as 'spectra' or 'softmax-topk'.";
  checkValue(target !== undefined, `no mixture-of-experts family belongs to ${modelType}.`, where, fix);
  const { architectures: _, model_type: __, ...kept } = config;
  const { attention } = dense.layers[0]!;
  const rotary = Object.values(dense.rotaries)[0];
  if (attention.kind !== 'grouped' || rotary === undefined) {
    throw new SpectraError('VALUE', { message: `${modelType} has other attention.`, where, fix });
  }
  const stayDense = dense.layers.flatMap((_layer, i) => (resolved.layers.includes(i) ? [] : [i]));
  const mixtral = target.type === 'mixtral';
  checkValue(
    !mixtral || stayDense.length === 0,
    `in ${target.type} every layer is a mixture of experts.`,
    where,
    fix,
  );
  checkValue(
    !dense.dense.bias && (!mixtral || !(attention.inputBias || attention.outputBias)),
    `${target.type} has no such biases.`,
    where,
    fix,
  );
  const built = {
    ...kept,
    architectures: [target.name],
    model_type: target.type,
    hidden_act: 'silu',
    head_dim: attention.headDim,
    num_key_value_heads: attention.keyValueHeads,
    rms_norm_eps: dense.norm.epsilon,
    max_position_embeddings: dense.maxPositions,
    tie_word_embeddings: dense.tied,
    ...(kept.rope_parameters === undefined ? { rope_theta: rotary.theta } : {}),
    num_experts_per_tok: resolved.k,
    ...(mixtral
      ? {
          num_local_experts: resolved.experts,
          intermediate_size: resolved.width,
          sliding_window: attention.window ?? null,
        }
      : {
          num_experts: resolved.experts,
          moe_intermediate_size: resolved.width,
          norm_topk_prob: true,
          decoder_sparse_step: 1,
          mlp_only_layers: stayDense,
        }),
    ...(target.type === 'qwen2_moe'
      ? { shared_expert_intermediate_size: dense.dense.intermediate, qkv_bias: attention.inputBias }
      : {}),
  };
  const { architecture } = describeModel(built);
  checkValue(
    backbone(architecture) === backbone(dense),
    `${target.type} would attend in another way than this ${modelType}.`,
    where,
    fix,
  );
  return built;
}

/** All but the feed-forward networks, to compare. */
function backbone({ moe: _, dense: __, layers, ...rest }: Architecture): string {
  return JSON.stringify(sorted([rest, layers.map(({ attention }) => attention)]));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, part]) => [key, sorted(part)]),
  );
}
