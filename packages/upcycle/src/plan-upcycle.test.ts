import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import { routerConfigSchema } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ConversionOptions, planFolder, type UpcyclePlan, upcycleFolder } from './node.ts';

beforeAll(testBackend);
const fixture = (name: string): string => join(workspaceRoot(), 'fixtures', 'hf', name);
const router = routerConfigSchema.parse({ kind: 'softmax-topk', normalise: true });
const spectra = routerConfigSchema.parse({ kind: 'spectra', router_dim: 4, state_size: 6 });
const granular = { mode: 'granular', parts: 2, replicas: 3, active: 2, router } as const;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'upcycle-plan-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('a plan', () => {
  // hidden 64, width 96, 3 layers
  const MLP = 3 * 64 * 96;

  it('counts what is written and what a token meets', async () => {
    const dense = await loadModel(fixture('llama'));
    const parameters = dense
      .parameters()
      .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    dense.dispose();
    const { totals } = await planFolder(fixture('llama'), granular);
    const gates = 3 * 6 * 64;
    expect(totals.parameters).toBe(parameters + 3 * (3 - 1) * MLP + gates);
    expect(totals.active).toBe(parameters + 3 * (2 - 1) * MLP + gates);
    expect(totals.bytes).toBe(4 * totals.parameters);
  });

  it('says of every source tensor what becomes of it, and names every expert', async () => {
    await noLeaks(async () => {
      const { tensors, dropped } = await planFolder(fixture('mistral'), {
        mode: 'copy',
        experts: 3,
        router: 'family',
      });
      const used = new Set(tensors.flatMap(({ sources }) => sources));
      expect(dropped).toEqual([]);
      for (let layer = 0; layer < 3; layer++) {
        for (const name of ['gate', 'up', 'down']) {
          expect(used).toContain(`model.layers.${layer}.mlp.${name}_proj.weight`);
        }
        for (let e = 0; e < 3; e++) {
          for (const name of ['w1', 'w2', 'w3']) {
            const target = `model.layers.${layer}.block_sparse_moe.experts.${e}.${name}.weight`;
            expect(tensors.filter(tensor => tensor.name === target)).toHaveLength(1);
          }
        }
      }
    });
  });

  it('leaves layers dense that are not chosen', async () => {
    const { tensors } = await planFolder(fixture('llama'), { mode: 'copy', router, layers: [1] });
    const names = tensors.map(({ name }) => name);
    expect(names).toContain('model.layers.0.mlp.gate_proj.weight');
    expect(names).not.toContain('model.layers.1.mlp.gate_proj.weight');
    expect(names).toContain('model.layers.1.mlp.experts.gate_up_proj');
  });

  it('says when the result is another function', async () => {
    const inexact = async (options: Partial<ConversionOptions>): Promise<UpcyclePlan> =>
      planFolder(fixture('llama'), { mode: 'copy', router, ...options } as ConversionOptions);
    expect((await inexact({})).exact).toBe(true);
    for (const options of [{ noise: 0.1 }, { mode: 'drop' }] as const) {
      expect((await inexact(options)).exact).toBe(false);
    }
    const raw = routerConfigSchema.parse({ kind: 'softmax-topk', normalise: false });
    expect((await inexact({ router: raw })).inexactBecause).toMatch(/do not sum to 1/);
  });
});

describe('what cannot be', () => {
  const bad: [string, string, ConversionOptions, RegExp][] = [
    ['a width that is no multiple', 'llama', { ...granular, parts: 7 }, /divisors are 1, 2, 3, 4, 6/],
    ['no experts', 'llama', { mode: 'copy', experts: 0, router }, /experts is 0/],
    ['half an expert', 'llama', { mode: 'copy', experts: 1.5, router }, /experts is 1.5/],
    ['experts without end', 'llama', { mode: 'copy', experts: 1e12, router }, /from 1 to a million/],
    ['NaN', 'llama', { ...granular, replicas: Number.NaN }, /replicas is NaN/],
    ['more active than there are', 'llama', { ...granular, active: 4 }, /4 active of 3/],
    ['a layer that is not there', 'llama', { mode: 'copy', router, layers: [3] }, /no layer 3/],
    ['a layer twice', 'llama', { mode: 'copy', router, layers: [1, 1] }, /twice/],
    ['no layer', 'llama', { mode: 'copy', router, firstDense: 3 }, /no layer/],
    ['negative noise', 'llama', { mode: 'copy', router, noise: -1 }, /noise is -1/],
    ['all and more dropped', 'llama', { mode: 'drop', router, drop: 1.5 }, /drop is 1.5/],
    ['a family without experts', 'gpt2', { mode: 'copy', router: 'family' }, /no mixture-of-experts family/],
    [
      'dense layers in a family without',
      'llama',
      { mode: 'copy', router: 'family', firstDense: 1 },
      /every layer/,
    ],
    ['a shared expert with biases', 'gpt2', { mode: 'copy', router, shared: 'half' }, /biases/],
    [
      'parts of a router without a linear gate',
      'llama',
      { ...granular, router: routerConfigSchema.parse({ kind: 'hash' }) },
      /'hash' cannot choose/,
    ],
    [
      'parts of a router that sees some groups only',
      'llama',
      { ...granular, router: routerConfigSchema.parse({ kind: 'topk', groups: 2, kept_groups: 1 }) },
      /'topk' cannot choose/,
    ],
    [
      'other groups than parts',
      'llama',
      { ...granular, router: routerConfigSchema.parse({ kind: 'spectra', groups: 3 }) },
      /groups 3, but there are 2 parts/,
    ],
    ['experts of experts', 'mixtral', { mode: 'copy', router }, /already/],
    ['a larger dense model', 'llama', { mode: 'expand' }, /is dense/],
  ];
  it.each(bad)('%s', async (_, name, options, message) => {
    await noLeaks(async () => {
      await expect(planFolder(fixture(name), options)).rejects.toMatchObject({
        code: 'VALUE',
        message: expect.stringMatching(message),
      });
    });
  });

  it.each([
    ['hidden_size', 128],
    ['intermediate_size', 48],
    ['num_hidden_layers', 2],
    ['num_hidden_layers', 4],
    ['vocab_size', 99],
  ])('a configuration with another %s (%d)', async (key, value) => {
    const from = await mkdtemp(join(folder, 'wrong-'));
    await cp(fixture('llama'), from, { recursive: true });
    const config = JSON.parse(await readFile(join(from, 'config.json'), 'utf8'));
    await writeFile(join(from, 'config.json'), JSON.stringify({ ...config, [key]: value }));
    const to = `${from}-to`;
    await expect(upcycleFolder(from, to, { mode: 'copy', router })).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
    });
    await expect(stat(to)).rejects.toThrow();
  });

  it('an expert that is not there', async () => {
    const from = join(folder, 'incomplete');
    await cp(fixture('qwen3_moe'), from, { recursive: true });
    const path = join(from, 'model.safetensors.index.json');
    const index = JSON.parse(await readFile(path, 'utf8'));
    delete index.weight_map['model.layers.1.mlp.experts.5.up_proj.weight'];
    await writeFile(path, JSON.stringify(index));
    await expect(planFolder(from, { mode: 'expand' })).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
  });
});

describe('writing', () => {
  const options: ConversionOptions = { mode: 'drop', experts: 2, router: spectra, noise: 0.1, seed: 3 };
  const contents = async (path: string): Promise<Map<string, string>> => {
    const names = (await readdir(path)).sort();
    return new Map(
      await Promise.all(names.map(async name => [name, await readFile(join(path, name), 'base64')] as const)),
    );
  };

  it('goes on after it was stopped, and gives the same files', async () => {
    const [whole, stopped] = [join(folder, 'whole'), join(folder, 'stopped')];
    const maxShardBytes = 100_000;
    await upcycleFolder(fixture('llama'), whole, options, { maxShardBytes });
    const seen: string[] = [];
    const stop = (file: string): void => {
      seen.push(file);
      if (seen.length === 2) throw new Error('stopped');
    };
    const first = upcycleFolder(fixture('llama'), stopped, options, {
      maxShardBytes,
      keepOnError: true,
      onShard: stop,
    });
    await expect(first).rejects.toThrow('stopped');
    await expect(stat(stopped)).rejects.toThrow();
    const before = await stat(join(`${stopped}.partial`, 'model', seen[0]!));
    await upcycleFolder(fixture('llama'), stopped, options, { maxShardBytes });
    expect((await stat(join(stopped, seen[0]!))).ino).toBe(before.ino);
    expect(await contents(stopped)).toEqual(await contents(whole));
    expect((await contents(whole)).size).toBeGreaterThan(4);
  });

  it('leaves nothing after an error, and never overwrites', async () => {
    const to = join(folder, 'failed');
    const fail = (): void => {
      throw new Error('no');
    };
    await expect(upcycleFolder(fixture('llama'), to, options, { onShard: fail })).rejects.toThrow('no');
    expect((await readdir(folder)).filter(name => name.startsWith('failed'))).toEqual([]);
    await upcycleFolder(fixture('llama'), to, options);
    const again = upcycleFolder(fixture('llama'), to, options);
    await expect(again).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });
});
