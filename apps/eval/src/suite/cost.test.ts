import { setBackend } from '@spectra/tensor';
import {
  DecoderModel,
  type ModelConfigInput,
  parseModelConfig,
  routerConfigSchema,
} from '@spectra/transformer';
import { beforeAll, describe, expect, it } from 'vitest';
import { costFlops, modelCost } from './cost.ts';

beforeAll(() => setBackend('wasm'));

const KINDS = routerConfigSchema.options.map(option => option.parse({ kind: kindOf(option) }).kind);

/** The kind that a member of the union is for. */
function kindOf(option: (typeof routerConfigSchema.options)[number]): string {
  const { kind } = option.shape;
  return 'unwrap' in kind ? 'spectra' : [...kind.values][0]!;
}

const shape = {
  vocab_size: 64,
  hidden_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  intermediate_size: 40,
  max_position_embeddings: 32,
} as const;

function check(input: ModelConfigInput): ReturnType<typeof modelCost> {
  const config = parseModelConfig(input);
  const model = new DecoderModel(config);
  const cost = modelCost(config, 16);
  const sizes = model.parameters().map(p => ({ role: p.role, size: p.shape.reduce((a, b) => a * b, 1) }));
  const sum = (list: typeof sizes): number => list.reduce((total, { size }) => total + size, 0);
  expect(cost.parameters).toBe(sum(sizes));
  expect(cost.router_parameters).toBe(sum(sizes.filter(({ role }) => role === 'router')));
  const experts = sum(sizes.filter(({ role }) => role === 'expert'));
  const { k = 1, experts: count = 1 } = config.moe ?? {};
  expect(cost.active_parameters).toBe(sum(sizes) - experts + (experts * k) / count);
  model.dispose();
  return cost;
}

describe('modelCost', () => {
  it.each(KINDS)('counts what a model with router %s has', kind => {
    check({ ...shape, moe: { experts: 6, k: 2, intermediate_size: 20, router: { kind } as never } });
  });

  it.each([
    ['dense', {}],
    ['learned positions, own head', { positions: 'learned', tie_word_embeddings: false }],
    ['biases', { attention_bias: true, mlp_bias: true }],
    [
      'a dense layer first, one router for all',
      { moe: { experts: 4, first_dense_layers: 1, router: { kind: 'spectra', sharing: 'global' } } },
    ],
  ] as const)('counts %s', (_, rest) => {
    check({ ...shape, ...rest } as ModelConfigInput);
  });

  it('counts two operations per multiply-add of a dense model', () => {
    const config = parseModelConfig({ ...shape, num_key_value_heads: 4 });
    const { flops } = modelCost(config, 16);
    const [H, L, I, V] = [24, 3, 40, 64];
    // projections, attention over 8 positions on average (scores and values), feed-forward, head
    expect(flops).toBe(2 * (L * (4 * H * H + 2 * H * 8 + 3 * H * I) + H * V));
  });

  it('counts a visit to an expert, and the cost of SPECTRA beyond its matrices', () => {
    const moe = { experts: 4, k: 1, intermediate_size: 20, router: { kind: 'spectra' as const } };
    const [one, two] = [1, 2].map(k => modelCost(parseModelConfig({ ...shape, moe: { ...moe, k } }), 16));
    expect(two!.flops - one!.flops).toBe(3 * 2 * 3 * 24 * 20);
    const parsed = parseModelConfig({ ...shape, moe });
    expect(costFlops(parsed)).toBe(2 * 4 * 16 + 2 * 16 + 6 * 4);
    expect(one!.router_flops).toBeGreaterThan(3 * costFlops(parsed));
  });
});
