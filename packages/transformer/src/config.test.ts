import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { attentionShape, modelConfigSchema, parseModelConfig } from './config.ts';
import { fromHfConfig, toHfConfig } from './hf-config.ts';
import { TINY, tinyMoe } from './test-support.ts';

describe('modelConfigSchema', () => {
  it('fills in the small model of the experiments', () => {
    const config = parseModelConfig({ vocab_size: 256, moe: {} });
    expect(config).toMatchObject({
      model_type: 'spectra',
      hidden_size: 128,
      positions: 'rotary',
      tie_word_embeddings: true,
    });
    expect(config.moe).toMatchObject({
      experts: 8,
      k: 2,
      scale: 1,
      shared_experts: 0,
      first_dense_layers: 0,
    });
    expect(config.moe!.router).toMatchObject({
      kind: 'spectra',
      router_dim: 16,
      state_size: 32,
      epsilon: 0.2,
      recurrence: 'grid',
      selection: 'quota',
      alpha: 1,
      loss_weights: { entropy: 1e-3, orthogonality: 0.03, speciality: 0.01, z: 0 },
      orthogonality_warmup: 100,
    });
    expect(attentionShape(config)).toEqual({ heads: 4, keyValueHeads: 4, headDim: 32 });
  });
  it('describes every key in its JSON schema', () => {
    const schema = JSON.stringify(z.toJSONSchema(modelConfigSchema, { io: 'input' }));
    const walk = (node: Record<string, unknown>, path: string): string[] =>
      Object.entries((node.properties ?? {}) as Record<string, Record<string, unknown>>).flatMap(
        ([key, value]) => [
          ...(value.description === undefined && value.const === undefined && key !== 'router'
            ? [path + key]
            : []),
          ...walk(value, `${path}${key}.`),
        ],
      );
    expect(walk(JSON.parse(schema), '')).toEqual([]);
  });
  it.each([
    [{ ...TINY, hiden_size: 8 }, 'hiden_size'],
    [{ ...TINY, hidden_size: 18 }, 'head_dim'],
    [{ ...TINY, num_key_value_heads: 3 }, 'num_key_value_heads'],
    [{ ...TINY, head_dim: 5 }, 'must be even'],
    [{ ...TINY, model_type: 'llama', positions: 'learned' }, 'model_type'],
    [tinyMoe({ kind: 'spectra', groups: 3 }), 'groups'],
    [{ ...TINY, moe: { experts: 2, k: 3 } }, '3 experts per token'],
    [{ ...TINY, moe: { first_dense_layers: 3 } }, 'first_dense_layers'],
    [{ ...TINY, moe: { router: { kind: 'spectra', epsilon: 0 } } }, 'epsilon'],
    [
      {
        ...TINY,
        rope_scaling: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 4,
          high_freq_factor: 1,
          original_max_position_embeddings: 8,
        },
      },
      'high_freq_factor',
    ],
  ])('refuses %#', (config, named) => {
    expect(() => parseModelConfig(config, 'my file')).toThrow(named);
    expect(() => parseModelConfig(config, 'my file')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', where: 'my file' }),
    );
  });
});

describe('config.json', () => {
  const file = {
    model_type: 'llama',
    vocab_size: 32,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    torch_dtype: 'bfloat16',
    use_cache: true,
    rope_scaling: null,
    head_dim: null,
  };
  it('is read with the defaults of a Llama, not ours', () => {
    expect(fromHfConfig(file)).toMatchObject({
      model_type: 'llama',
      tie_word_embeddings: false,
      rope_theta: 10_000,
      rms_norm_eps: 1e-6,
    });
    expect(fromHfConfig(file).rope_scaling).toBeUndefined();
  });
  it('says the same in old, new and nested rotary keys', () => {
    const scaling = {
      factor: 4,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    };
    const v4 = fromHfConfig({ ...file, rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', ...scaling } });
    const old = fromHfConfig({ ...file, rope_theta: 5e5, rope_scaling: { type: 'llama3', ...scaling } });
    const v5 = fromHfConfig({
      ...file,
      rope_parameters: { rope_type: 'llama3', rope_theta: 5e5, ...scaling },
    });
    expect(v4.rope_scaling).toEqual({ rope_type: 'llama3', ...scaling });
    expect(old).toEqual(v4);
    expect(v5).toEqual(v4);
  });
  it.each([
    [{ ...file, model_type: 'gpt2' }, 'gpt2'],
    [{ ...file, hidden_act: 'gelu' }, 'gelu'],
    [{ ...file, rope_scaling: { rope_type: 'yarn', factor: 2 } }, 'yarn'],
    [{ ...file, hidden_size: undefined }, 'hidden_size'],
    [[], 'no object'],
  ])('refuses %#', (broken, named) => expect(() => fromHfConfig(broken)).toThrow(named));
  it('is written so that it is read back', () => {
    const llama = fromHfConfig({
      ...file,
      rope_scaling: { rope_type: 'linear', factor: 2 },
      tie_word_embeddings: true,
    });
    const { head_dim, ...rest } = fromHfConfig(JSON.parse(JSON.stringify(toHfConfig(llama))));
    expect(head_dim).toBe(4);
    expect(rest).toEqual({ ...llama, num_key_value_heads: 4 });
    const ours = parseModelConfig(tinyMoe({ kind: 'spectra', recurrence: 'depth' }));
    expect(parseModelConfig(JSON.parse(JSON.stringify(ours)))).toEqual(ours);
    const written = toHfConfig(ours);
    expect(written).toEqual(ours);
  });
});
