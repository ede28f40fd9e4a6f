import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertModel, openModel } from '@spectra/checkpoint/node';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import { FAMILIES, routerConfigSchema } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  meanGateSum,
  planFolder,
  planReplacementFolder,
  replaceRouterFolder,
  upcycleFolder,
  verifyModels,
} from './node.ts';

beforeAll(testBackend);
const fixture = (name: string): string => join(workspaceRoot(), 'fixtures', 'hf', name);
const router = routerConfigSchema.parse({ kind: 'spectra', router_dim: 4, state_size: 6 });
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'replace-'));
});
afterAll(() => rm(folder, { recursive: true }));

const NORMALISED = [
  ...['mixtral', 'mixtral_fused', 'qwen3_moe', 'deepseek_v3', 'deepseek_v3_fp8', 'kimi_k2', 'glm4_moe'],
  ...['minimax_m2', 'gpt_oss', 'gpt_oss_mxfp4'],
];

describe('a replaced router', () => {
  it('stays in its place when the layout of the experts changes and changes back', async () => {
    const to = (name: string): string => join(folder, `mixtral ${name}`);
    await replaceRouterFolder(fixture('mixtral'), to('ours'), { router });
    await convertModel(to('ours'), to('fused'), { layout: 'fused' });
    await convertModel(to('fused'), to('back'), { layout: 'per-expert' });
    const names = async (path: string): Promise<string[]> => {
      const store = await openModel(path);
      const found = store.names().sort();
      await store.close();
      return found;
    };
    expect(await names(to('back'))).toEqual(await names(to('ours')));
    for (const name of ['fused', 'back']) (await loadModel(to(name))).dispose();
  });

  it.each(NORMALISED)('%s: experts are the same files, the model runs', async name => {
    const to = join(folder, name);
    await noLeaks(async () => {
      const { plan } = await replaceRouterFolder(fixture(name), to, { router });
      const [before, after] = [await openModel(fixture(name)), await openModel(to)];
      const kept = before.stored.names().filter(one => after.stored.has(one));
      const dropped = plan.dropped.map(one => one.name);
      expect([...kept, ...dropped].sort()).toEqual(before.stored.names().sort());
      expect(dropped.every(one => /\.(gate|router)\.|correction_bias/.test(one))).toBe(true);
      const files = new Set(kept.map(one => [before, after].map(s => s.stored.entry(one).file).join(' ')));
      for (const pair of files) {
        const [old, linked] = pair.split(' ') as [string, string];
        const inodes = [join(fixture(name), old), join(to, linked)].map(async path => (await stat(path)).ino);
        const [a, b] = await Promise.all(inodes);
        expect(b).toBe(a);
      }
      await Promise.all([before.close(), after.close()]);
      const model = await loadModel(to);
      const { moe } = model.architecture;
      expect(moe!.router.kind).toBe('spectra');
      const { input_ids } = JSON.parse(await readFile(join(fixture(name), 'inputs.json'), 'utf8'));
      const finite = tf.tidy(() => {
        const { logits } = model.forward({ inputIds: tf.tensor2d(input_ids, undefined, 'int32') });
        return tf.all(tf.isFinite(logits));
      });
      expect((await finite.data())[0]).toBe(1);
      finite.dispose();
      model.dispose();
    });
  });

  it('takes over what the old gates summed to', async () => {
    const rho = async (name: string): Promise<number> =>
      (await loadAndDispose(join(folder, name))).architecture.moe!.scale;
    expect(await rho('deepseek_v3')).toBe(2.5);
    expect(await rho('kimi_k2')).toBe(2.827);
    expect(await rho('mixtral')).toBe(1);
  });

  it('measures the sum where it is no constant', async () => {
    const from = fixture('olmoe');
    await expect(replaceRouterFolder(from, join(folder, 'olmoe'), { router })).rejects.toMatchObject({
      code: 'VALUE',
    });
    const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    const rho = await gateSum(from, input_ids);
    expect(rho).toBeGreaterThan(2 / 8);
    expect(rho).toBeLessThan(1);
    const calibration = input_ids;
    const { plan } = await replaceRouterFolder(from, join(folder, 'olmoe'), { router, calibration });
    expect(plan.config).toMatchObject({ spectra_moe: { scale: rho } });
    expect(await gateSum(join(folder, 'olmoe'), input_ids)).toBeCloseTo(rho, 5);
  });

  it.each([
    [{ kind: 'spectra', router_dim: 4, state_size: 6, groups: 2 }],
    [{ kind: 'deepseek-v3', scale: 2.5 }],
    [{ kind: 'quantile' }],
    [{ kind: 'cosine' }],
    [{ kind: 'hash' }],
  ])('%j sums to what the old gates did', async options => {
    const to = join(folder, JSON.stringify(options));
    const next = routerConfigSchema.parse(options);
    await replaceRouterFolder(fixture('deepseek_v3'), to, { router: next });
    const { input_ids } = JSON.parse(await readFile(join(fixture('deepseek_v3'), 'inputs.json'), 'utf8'));
    expect(await gateSum(to, input_ids)).toBeCloseTo(2.5, 5);
    // and so does one that replaces it
    const again = `${to}, again`;
    await replaceRouterFolder(to, again, { router });
    expect(await gateSum(again, input_ids)).toBeCloseTo(2.5, 5);
  });

  it.each([[{ kind: 's-base' }], [{ kind: 'expert-choice' }], [{ kind: 'softmax-topk', normalise: false }]])(
    '%j does not sum to a constant: its factor must be given',
    async options => {
      const next = routerConfigSchema.parse(options);
      const to = join(folder, `raw ${JSON.stringify(options)}`);
      const asked = replaceRouterFolder(fixture('mixtral'), to, { router: next });
      await expect(asked).rejects.toMatchObject({ code: 'VALUE', message: expect.stringContaining('new') });
      const { plan } = await replaceRouterFolder(fixture('mixtral'), to, { router: next, rho: 3 });
      expect(plan.config).toMatchObject({ spectra_moe: { scale: 3 } });
    },
  );

  it('scores copies of an expert apart', async () => {
    const [doubled, to] = [join(folder, 'doubled'), join(folder, 'apart')];
    await upcycleFolder(join(folder, 'mixtral'), doubled, { mode: 'expand' });
    expect((await loadAndDispose(doubled)).architecture.moe).toMatchObject({ experts: 16, k: 4, copies: 2 });
    await replaceRouterFolder(doubled, to, { router });
    expect((await loadAndDispose(to)).architecture.moe).toMatchObject({
      experts: 16,
      k: 4,
      copies: 1,
      scale: 1,
    });
  });

  it('reads a family of one’s own from a folder', async () => {
    const from = join(folder, 'own');
    await cp(fixture('mixtral'), from, { recursive: true });
    const config = JSON.parse(await readFile(join(from, 'config.json'), 'utf8'));
    await writeFile(join(from, 'config.json'), JSON.stringify({ ...config, model_type: 'mine' }));
    const mine = { ...FAMILIES.find(({ modelType }) => modelType === 'mixtral')!, modelType: 'mine' };
    const families = { families: [mine] };
    const unknown = replaceRouterFolder(from, join(folder, 'unknown'), { router });
    await expect(unknown).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect((await planReplacementFolder(from, { router }, families)).dropped).toHaveLength(3);
    const { plan } = await replaceRouterFolder(from, join(folder, 'mine'), { router }, families);
    expect(plan.config.model_type).toBe('mine');
    expect((await planFolder(from, { mode: 'expand' }, families)).exact).toBe(true);
    const wide = await upcycleFolder(from, join(folder, 'wide'), { mode: 'expand' }, families);
    expect(wide.plan.config.model_type).toBe('mine');
    const { input_ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    const { difference, range } = await verifyModels(from, join(folder, 'wide'), input_ids, families);
    expect(difference / range).toBeLessThanOrEqual(1e-5);
  });

  it('can be replaced again', async () => {
    const to = join(folder, 'twice');
    const next = routerConfigSchema.parse({ kind: 'softmax-topk', normalise: true });
    const { plan } = await replaceRouterFolder(join(folder, 'mixtral'), to, { router: next });
    expect(plan.dropped.length).toBeGreaterThan(0);
    expect((await loadAndDispose(to)).architecture.moe!.router.kind).toBe('softmax-topk');
  });
});

async function gateSum(path: string, ids: readonly (readonly number[])[]): Promise<number> {
  const model = await loadModel(path);
  return meanGateSum(model, ids).finally(() => model.dispose());
}

async function loadAndDispose(path: string) {
  const model = await loadModel(path);
  const { description } = model;
  model.dispose();
  return description;
}
