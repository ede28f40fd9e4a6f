import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import { routerConfigSchema } from '@spectra/transformer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type UpcycleOptions, upcycleFolder, verifyModels } from './node.ts';

beforeAll(testBackend);
const DENSE = ['llama', 'mistral', 'smollm2', 'qwen2', 'qwen3', 'gemma3_text', 'phi3', 'gpt2'];
const spectra = routerConfigSchema.parse({ kind: 'spectra', router_dim: 4, state_size: 6 });
const softmax = routerConfigSchema.parse({ kind: 'softmax-topk', normalise: true });
const copy = { mode: 'copy', experts: 4 } as const;
const parts = (s: number, active: number) => ({ mode: 'granular', parts: s, replicas: 2, active }) as const;
const ROUTERS = { spectra, softmax };
const CASES = Object.entries(ROUTERS).flatMap(([kind, router]): [string, UpcycleOptions][] => [
  [`copy, ${kind}`, { ...copy, router }],
  ...[2, 4].flatMap(s =>
    [1, 2].map((active): [string, UpcycleOptions] => [
      `${s} parts, ${active} of each, ${kind}`,
      { ...parts(s, active), router },
    ]),
  ),
]);

describe('a dense model and its mixture of experts compute the same', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'upcycle-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  for (const name of DENSE) {
    it.each(CASES)(`${name}: %s`, async (label, options) => {
      const from = join(workspaceRoot(), 'fixtures', 'hf', name);
      const to = join(folder, `${name} ${label}`);
      const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
      await noLeaks(async () => {
        const { plan } = await upcycleFolder(from, to, options);
        expect(plan.exact).toBe(true);
        const { difference, range, layers } = await verifyModels(from, to, input_ids);
        expect(range).toBeGreaterThan(0.1);
        expect(difference / range).toBeLessThanOrEqual(1e-5);
        expect(Math.max(...layers)).toBeLessThan(Number.POSITIVE_INFINITY);
      });
    });
  }
});

const MOE = [
  ...['mixtral', 'mixtral_fused', 'qwen2_moe', 'qwen3_moe', 'qwen3_moe_fused', 'olmoe', 'deepseek_v3'],
  ...['deepseek_v3_fp8', 'kimi_k2', 'glm4_moe', 'minimax_m2', 'gpt_oss', 'gpt_oss_mxfp4'],
];

describe('a mixture of experts and its expansion compute the same', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'expand-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  it.each(MOE)('%s', async name => {
    const from = join(workspaceRoot(), 'fixtures', 'hf', name);
    const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    await upcycleFolder(from, join(folder, name), { mode: 'expand' });
    const { difference, range } = await verifyModels(from, join(folder, name), input_ids);
    expect(range).toBeGreaterThan(0.1);
    expect(difference / range).toBeLessThanOrEqual(1e-5);
  });
});

describe('a mixture with a router of ours and its expansion compute the same', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'expand-ours-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const kinds: [string, Record<string, unknown>, number][] = [
    ['spectra', { router_dim: 4, state_size: 6 }, 2],
    ['softmax-topk', {}, 1],
    ['softmax-topk', {}, 2],
    ['softmax-topk', { normalise: false }, 2],
    ...['topk', 'deepseek-v3', 'simbal', 'ernie', 'quantile', 'cosine', 'rmoe', 'gru-switch', 's-base'].map(
      (kind): [string, Record<string, unknown>, number] => [kind, {}, 2],
    ),
    ['topk', {}, 1],
    ['topk', { scores: 'sigmoid' }, 1],
    ['deepseek-v3', {}, 1],
    ['quantile', {}, 1],
    ['expert-choice', {}, 2],
    ['hash', { seed: 3 }, 2],
  ];
  it.each(kinds)('%s %j, %i active, twice', async (kind, options, active) => {
    const router = routerConfigSchema.parse({ kind, ...options });
    const from = join(workspaceRoot(), 'fixtures', 'hf', 'llama');
    const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    const at = (name: string): string => join(folder, `${kind} ${JSON.stringify(options)} ${active} ${name}`);
    // noise tells the experts apart
    await upcycleFolder(from, at('sparse'), { ...copy, active, router, noise: 0.5 });
    for (const [before, after] of [
      ['sparse', 'double'],
      ['double', 'fourfold'],
    ] as const) {
      const { plan } = await upcycleFolder(at(before), at(after), { mode: 'expand' });
      expect(plan.exact).toBe(true);
      const { difference, range } = await verifyModels(at(before), at(after), input_ids);
      expect(range).toBeGreaterThan(0.1);
      expect(difference / range).toBeLessThanOrEqual(1e-5);
    }
  });

  it('SPECTRA in groups', async () => {
    const from = join(workspaceRoot(), 'fixtures', 'hf', 'qwen3');
    const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    await upcycleFolder(from, join(folder, 'parts'), { ...parts(2, 1), router: spectra, noise: 0.5 });
    await upcycleFolder(join(folder, 'parts'), join(folder, 'wide'), { mode: 'expand' });
    const { difference, range } = await verifyModels(join(folder, 'parts'), join(folder, 'wide'), input_ids);
    expect(difference / range).toBeLessThanOrEqual(1e-5);
  });
});

describe('the published family of a dense one', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'family-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const shapes: [string, UpcycleOptions][] = [
    ['copy', { ...copy, router: 'family' }],
    ['granular', { ...parts(2, 1), router: 'family' }],
  ];
  for (const name of ['llama', 'mistral', 'smollm2', 'qwen2', 'qwen3']) {
    it.each(shapes)(`${name}: %s`, async (label, options) => {
      const from = join(workspaceRoot(), 'fixtures', 'hf', name);
      const to = join(folder, `${name} ${label}`);
      const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
      const { plan } = await upcycleFolder(from, to, options);
      expect(String(plan.config.model_type)).toMatch(/^(mixtral|qwen[23]_moe)$/);
      const { difference, range } = await verifyModels(from, to, input_ids);
      expect(difference / range).toBeLessThanOrEqual(1e-5);
    });
  }
});

describe('where the gates do not sum to 1', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'inexact-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const raw = { kind: 'softmax-topk', normalise: false } as const;
  it.each([
    [
      'one expert, as in Switch',
      { mode: 'copy', experts: 4, active: 1, router: routerConfigSchema.parse(raw) },
    ],
    ['raw gates', { mode: 'copy', experts: 4, active: 2, router: routerConfigSchema.parse(raw) }],
  ] as [string, UpcycleOptions][])(
    '%s: the plan says so, and the difference is measured',
    async (label, options) => {
      const from = join(workspaceRoot(), 'fixtures', 'hf', 'llama');
      const { plan } = await upcycleFolder(from, join(folder, label), options);
      expect(plan.exact).toBe(false);
      expect(plan.inexactBecause).toMatch(/do not sum to 1/);
      const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
      const { difference, range, layers } = await verifyModels(from, join(folder, label), input_ids);
      expect(difference / range).toBeGreaterThan(1e-3);
      expect(layers.every(layer => layer > 0 && layer < Number.POSITIVE_INFINITY)).toBe(true);
    },
  );
});
