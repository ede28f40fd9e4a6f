/** DeepSeek-V3 (2024) and Kimi-K2 (2025), which differ in the numbers of their configurations only. */
import type { LatentAttentionShape } from '../architecture.ts';
import type { ConfigFile } from '../config-file.ts';
import type { Family } from '../family.ts';
import type { RopeScaling } from '../rope-scaling.ts';
import { yarnSharpness } from '../rotary-frequencies.ts';
import { beyondLayers, CORRECTED_EXPERTS, sigmoidMoe, sparseFrom } from './deepseek.ts';
import { assemble, ROTARY } from './llama-like.ts';
import { readRope } from './rope.ts';

function latentAttention(file: ConfigFile, scaling: RopeScaling | undefined): LatentAttentionShape {
  const plainDim = file.integer('qk_nope_head_dim', 128);
  const turnedDim = file.integer('qk_rope_head_dim', 64);
  const sharpness =
    scaling?.rope_type === 'yarn' && scaling.mscale_all_dim
      ? yarnSharpness(scaling.factor, scaling.mscale_all_dim)
      : 1;
  return {
    kind: 'latent',
    heads: file.integer('num_attention_heads'),
    // null: queries come from the token itself
    queryRank: file.states('q_lora_rank') ? file.optionalInteger('q_lora_rank') : 1536,
    keyValueRank: file.integer('kv_lora_rank', 512),
    plainDim,
    turnedDim,
    valueDim: file.integer('v_head_dim', 128),
    bias: file.flag('attention_bias', false),
    epsilon: 1e-6, // whatever rms_norm_eps says
    interleaved: file.flag('rope_interleave', true),
    scale: (plainDim + turnedDim) ** -0.5 * sharpness ** 2,
    rotary: ROTARY,
  };
}

function family(modelType: string): Family {
  return {
    modelType,
    architecture: file => {
      file.expect('hidden_act', ['silu']);
      const rotary = readRope(file, { headDim: file.integer('qk_rope_head_dim', 64) });
      const attention = latentAttention(file, rotary.scaling);
      const differences = {
        maxPositions: 4096,
        moe: sigmoidMoe(file, { experts: 256, groups: 8, kept: 4, scale: 2.5 }),
        sparse: sparseFrom(file, 3),
      };
      return assemble(file, differences, { [ROTARY]: rotary }, () => attention);
    },
    tensors: CORRECTED_EXPERTS,
    carried: beyondLayers,
  };
}

export const deepseekV3 = family('deepseek_v3');
export const kimiK2 = family('kimi_k2');
