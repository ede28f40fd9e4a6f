import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { attentionShape, modelConfigSchema, parseModelConfig } from './config.ts';
import { toHfConfig } from './hf-config.ts';
import { describeConfig, describeModel } from './model-description.ts';
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
    [tinyMoe({ kind: 'topk', groups: 4, kept_groups: 1 }), 'kept_groups'],
    [tinyMoe({ kind: 'topk', scores: 'raw', normalise: false }), 'normalise'],
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
    [
      {
        ...TINY,
        rope_scaling: {
          rope_type: 'longrope',
          short_factor: [1],
          long_factor: [1, 2],
          factor: 2,
          original_max_position_embeddings: 8,
        },
      },
      'short_factor',
    ],
  ])('refuses %#', (config, named) => {
    expect(() => parseModelConfig(config, 'my file')).toThrow(named);
    expect(() => parseModelConfig(config, 'my file')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', where: 'my file' }),
    );
  });
});

describe('config.json', () => {
  const written = (config: Parameters<typeof parseModelConfig>[0]): unknown =>
    JSON.parse(JSON.stringify(toHfConfig(parseModelConfig(config))));

  it('of our own models is read back', () => {
    const ours = parseModelConfig(tinyMoe({ kind: 'spectra', recurrence: 'depth' }));
    expect(parseModelConfig(written(ours))).toEqual(ours);
    expect(describeModel(written(ours))).toEqual(describeConfig(ours));
  });
  it('of a dense model is a Llama, which gives the same architecture', () => {
    const config = parseModelConfig({
      ...TINY,
      model_type: 'llama',
      rope_scaling: { rope_type: 'linear', factor: 2 },
      attention_bias: true,
      tie_word_embeddings: true,
    });
    const { initializer: _first, ...own } = describeConfig(config).architecture;
    const { initializer: _second, ...read } = describeModel(written(config)).architecture;
    expect(read).toEqual(own);
    expect(() => parseModelConfig({ ...TINY, model_type: 'llama', sliding_window: 7 })).toThrow('has none');
  });
});
