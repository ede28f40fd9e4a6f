import { describe, expect, it } from 'vitest';
import { FAMILIES } from './families/index.ts';
import { llamaLike } from './families/llama-like.ts';
import type { Family } from './family.ts';
import { describeModel } from './model-description.ts';

const file = {
  model_type: 'llama',
  vocab_size: 32,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  hidden_act: 'silu',
  torch_dtype: 'bfloat16',
  use_cache: true,
  rope_scaling: null,
  head_dim: null,
};
const moe = { ...file, model_type: 'deepseek_v3', moe_intermediate_size: 8, n_routed_experts: 8 };

describe('describeModel', () => {
  it('knows every published family once', () => {
    const types = FAMILIES.map(({ modelType }) => modelType);
    expect(new Set(types).size).toBe(types.length);
    expect(types).toHaveLength(17);
  });

  it('reads a Llama with the defaults of a Llama, not ours', () => {
    const { architecture } = describeModel(file);
    expect(architecture).toMatchObject({
      tied: false,
      rotaries: { default: { theta: 10_000, width: 4, scaling: undefined } },
      norm: { epsilon: 1e-6 },
    });
  });

  it('says the same for old, new and nested rotary keys', () => {
    const scaling = {
      factor: 4,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const published = describeModel({
      ...file,
      rope_theta: 5e5,
      rope_scaling: { rope_type: 'llama3', ...scaling },
    }).architecture;
    expect(published.rotaries.default).toEqual({
      width: 4,
      theta: 5e5,
      scaling: { rope_type: 'llama3', ...scaling },
    });
    const old = { ...file, rope_theta: 5e5, rope_scaling: { type: 'llama3', ...scaling } };
    expect(describeModel(old).architecture).toEqual(published);
    const v5 = { ...file, rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, ...scaling } };
    expect(describeModel(v5).architecture).toEqual(published);
  });

  it.each([
    [{ ...file, hidden_act: 'gelu' }, 'hidden_act "gelu"'],
    [{ ...file, rope_scaling: { rope_type: 'dynamic', factor: 2 } }, 'dynamic'],
    [{ ...file, rope_scaling: { rope_type: 'yarn' } }, 'factor'],
    [{ ...file, hidden_size: undefined }, 'hidden_size is missing'],
    [{ ...file, hidden_size: 18 }, 'head_dim'],
    [{ ...file, num_key_value_heads: 3 }, 'num_key_value_heads 3'],
    [{ ...file, num_hidden_layers: 0 }, 'num_hidden_layers'],
    [{ ...file, vocab_size: '32' }, 'vocab_size must be an integer'],
    [{ ...file, tie_word_embeddings: 1 }, 'tie_word_embeddings'],
    [{ ...moe, scoring_func: 'softmax' }, 'scoring_func'],
    [{ ...moe, n_group: 3, topk_group: 1 }, 'n_group 3'],
    [{ ...moe, num_experts_per_tok: 9 }, 'num_experts_per_tok 9'],
    [{ ...file, model_type: 'gemma3_text', final_logit_softcapping: 30 }, 'final_logit_softcapping'],
    [[], 'no object'],
  ])('refuses %#', (broken, named) => {
    expect(() => describeModel(broken, { where: 'my/config.json' })).toThrow(named);
    expect(() => describeModel(broken, { where: 'my/config.json' })).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', where: expect.stringContaining('my/config.json') }),
    );
  });

  it('says of an unknown family what a description of it would have to add', () => {
    const unknown = { ...file, model_type: 'newcomer', attention_temperature: 2 };
    expect(() => describeModel(unknown)).toThrow(/"newcomer" is no known family .*attention_temperature/);
    const { hidden_size: _, ...incomplete } = unknown;
    expect(() => describeModel(incomplete)).toThrow(/As a Llama it cannot be read: hidden_size is missing/);
  });

  it('takes a description given in code, before its own', () => {
    const newcomer: Family = {
      modelType: 'newcomer',
      architecture: config => ({
        ...llamaLike(config, { attention: { queryKeyNorm: 'full' } }),
        embeddingScale: config.positive('embedding_multiplier', 1),
      }),
      tensors: [],
    };
    const config = { ...file, model_type: 'newcomer', embedding_multiplier: 12 };
    const { family, architecture } = describeModel(config, { families: [newcomer] });
    expect(family).toBe(newcomer);
    expect(architecture.embeddingScale).toBe(12);
    expect(architecture.layers[1]!.attention).toMatchObject({ queryKeyNorm: 'full' });
  });
});

describe('windows', () => {
  const windowsOf = (config: object): (number | undefined)[] =>
    describeModel(config).architecture.layers.map(({ attention }) => attention.window);
  const deep = { ...file, num_hidden_layers: 4, sliding_window: 8 };

  it('of Mistral hold everywhere, null meaning none', () => {
    const mistral = { ...deep, model_type: 'mistral', num_key_value_heads: 2 };
    expect(windowsOf(mistral)).toEqual([8, 8, 8, 8]);
    expect(windowsOf({ ...mistral, sliding_window: null })).toEqual(new Array(4).fill(undefined));
  });
  it('of Qwen count only if used, from a layer on', () => {
    const qwen = { ...deep, model_type: 'qwen2', max_window_layers: 2 };
    expect(windowsOf(qwen)).toEqual(new Array(4).fill(undefined));
    expect(windowsOf({ ...qwen, use_sliding_window: true })).toEqual([undefined, undefined, 8, 8]);
  });
  it('of a Llama there are none', () => {
    const llama = { ...deep, model_type: 'llama' };
    expect(windowsOf({ ...llama, sliding_window: null })).toEqual(new Array(4).fill(undefined));
    expect(() => windowsOf(llama)).toThrow('sliding_window 8 is not supported');
  });
  it('are refused where they are of another kind, or too few', () => {
    const mistral = { ...deep, model_type: 'mistral', num_key_value_heads: 2 };
    const full = 'full_attention';
    expect(() => windowsOf({ ...mistral, layer_types: [full, full, full, 'chunked_attention'] })).toThrow(
      'layer_types has "chunked_attention"',
    );
    expect(() => windowsOf({ ...mistral, layer_types: [full, full] })).toThrow('2 entries for 4 layers');
  });
  it('of GPT-OSS alternate, windowed first, unless the file lists them', () => {
    const oss = { ...deep, model_type: 'gpt_oss', head_dim: 4, num_key_value_heads: 2, num_local_experts: 4 };
    expect(windowsOf(oss)).toEqual([8, undefined, 8, undefined]);
    const types = ['full_attention', 'full_attention', 'sliding_attention', 'full_attention'];
    expect(windowsOf({ ...oss, layer_types: types })).toEqual([undefined, undefined, 8, undefined]);
  });
  it('of Gemma 3 leave out every sixth layer', () => {
    const gemma = {
      ...deep,
      model_type: 'gemma3_text',
      num_hidden_layers: 7,
      num_key_value_heads: 2,
      head_dim: 4,
    };
    expect(windowsOf(gemma)).toEqual([8, 8, 8, 8, 8, undefined, 8]);
  });
});

it('a text model inside another is refused as such', () => {
  expect(() => describeModel({ model_type: 'gemma3', text_config: { model_type: 'gemma3_text' } })).toThrow(
    'only text models are read',
  );
});
