import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Rng } from '@spectra/tensor';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import { type DecoderModel, type RouterConfig, routerConfigSchema, spectra } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LayerAgreement, replaceRouter, replaceRouterFolder } from './node.ts';

beforeAll(testBackend);
const fixture = (name: string): string => join(workspaceRoot(), 'fixtures', 'hf', name);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'distil-'));
});
afterAll(() => rm(folder, { recursive: true }));

const rng = new Rng(7);
const rowsOfIds = (rows: number): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: 24 }, () => rng.integer(256)));
const calibration = rowsOfIds(48);
const small = spectra({ router_dim: 8, state_size: 8 });
const fit = { init: 'distil', calibration, steps: 60, batchTokens: 240 } as const;

async function fitted(
  name: string,
  router: RouterConfig,
  more: { balanced?: boolean; steps?: number; calibration?: number[][] } = {},
): Promise<{ layers: LayerAgreement[]; weights: Float32Array[] }> {
  const layers: LayerAgreement[] = [];
  const weights: Float32Array[] = [];
  await noLeaks(async () => {
    const model = await loadModel(fixture(name));
    const other = await replaceRouter(model, router, { ...fit, ...more, onLayer: one => layers.push(one) });
    for (const parameter of other.routers.flatMap(one => one.parameters())) {
      weights.push(Float32Array.from(await parameter.variable.data<'float32'>()));
    }
    model.dispose();
    other.dispose();
  });
  return { layers, weights };
}

const MOE = [
  ...['mixtral', 'qwen2_moe', 'qwen3_moe', 'olmoe', 'deepseek_v3', 'deepseek_v3_fp8', 'kimi_k2'],
  ...['glm4_moe', 'minimax_m2', 'gpt_oss', 'gpt_oss_mxfp4', 'llama_upcycled'],
];

describe('a fitted router chooses as the old one', () => {
  it.each(MOE)('%s', async name => {
    const { layers } = await fitted(name, small);
    const model = await loadModel(fixture(name));
    expect(layers).toHaveLength(model.routers.length);
    model.dispose();
    for (const { before, after, loadCv } of layers) {
      expect(after.tokens).toBe(6 * 24); // an eighth of the rows
      expect(after.overlap).toBeGreaterThan(before.overlap + 0.15);
      expect(Math.abs(loadCv.new - loadCv.old)).toBeLessThan(0.35);
    }
  });

  it.each([
    { kind: 'softmax-topk', normalise: true },
    { kind: 'deepseek-v3' },
    { kind: 'rmoe', state_size: 16 },
    { kind: 'gru-switch', sharing: 'global', state_size: 16 },
    { kind: 'spectra', sharing: 'global', expression: 'embedding', router_dim: 8, state_size: 16 },
    { kind: 'spectra', recurrence: 'none', orthogonalise: 'newton-schulz', router_dim: 4 },
  ])('of kind %j, too', async options => {
    const { layers } = await fitted('mixtral', routerConfigSchema.parse(options), { steps: 100 });
    const mean = (when: 'before' | 'after'): number =>
      layers.reduce((sum, layer) => sum + layer[when].overlap, 0) / layers.length;
    expect(mean('after')).toBeGreaterThan(mean('before') + 0.1);
  });

  it('the same for the same seed', async () => {
    const [a, b] = [
      await fitted('mixtral', small, { steps: 8 }),
      await fitted('mixtral', small, { steps: 8 }),
    ];
    expect(a).toEqual(b);
  });

  it('with prices that balance, where that is asked for', async () => {
    // so many tokens held out that the load's variation is not the sample's
    const more = { calibration: rowsOfIds(240) };
    const free = await fitted('mixtral', small, more);
    const priced = await fitted('mixtral', small, { ...more, balanced: true });
    const mean = (layers: LayerAgreement[], of: (layer: LayerAgreement) => number): number =>
      layers.reduce((sum, layer) => sum + of(layer), 0) / layers.length;
    const cv = (layers: LayerAgreement[]): number => mean(layers, ({ loadCv }) => loadCv.new);
    const overlap = (layers: LayerAgreement[]): number => mean(layers, ({ after }) => after.overlap);
    expect(cv(priced.layers)).toBeLessThan(0.85 * cv(free.layers));
    expect(overlap(priced.layers)).toBeGreaterThan(overlap(free.layers) - 0.1);
  });
});

describe('a folder with a fitted router', () => {
  /** [layers·N·k] */
  async function choices(model: DecoderModel, ids: number[][]): Promise<number[][][]> {
    const all = tf.tidy(() => {
      const { routings } = model.forward({ inputIds: tf.tensor2d(ids, undefined, 'int32'), logits: 'none' });
      return tf.stack(routings.map(({ indices }) => indices)) as tf.Tensor3D;
    });
    const found = (await all.array()) as number[][][];
    all.dispose();
    return found;
  }

  it('loads, decodes, and agrees with the old one on other text', async () => {
    const from = fixture('deepseek_v3');
    const [distilled, fresh] = [join(folder, 'distilled'), join(folder, 'fresh')];
    await noLeaks(async () => {
      const { plan } = await replaceRouterFolder(from, distilled, { router: small, ...fit });
      expect(plan.config).toMatchObject({ spectra_moe: { scale: 2.5 } });
      expect(plan.dropped.map(({ reason }) => reason)).toContain('correction bias of the old router');
      await replaceRouterFolder(from, fresh, { router: small });
    });
    const { input_ids: ids } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    const [old, near, far] = await Promise.all([from, distilled, fresh].map(path => loadModel(path)));
    const wanted = await choices(old!, ids);
    const overlap = async (model: DecoderModel): Promise<number> => {
      const found = (await choices(model, ids)).flat();
      const shared = wanted
        .flat()
        .map((set, t) => set.filter(e => found[t]!.includes(e)).length / set.length);
      return shared.reduce((a, b) => a + b, 0) / shared.length;
    };
    expect(await overlap(near!)).toBeGreaterThan((await overlap(far!)) + 0.15);
    for (const model of [old!, near!, far!]) model.dispose();
  });

  it('measures ρ on the calibration text where the old gates do not tell', async () => {
    const { plan } = await replaceRouterFolder(fixture('olmoe'), join(folder, 'olmoe'), {
      router: small,
      ...fit,
      steps: 2,
    });
    const { scale } = plan.config.spectra_moe as { scale: number };
    expect(scale).toBeGreaterThan(2 / 8);
    expect(scale).toBeLessThan(1);
  });

  it.each([
    [{ router: routerConfigSchema.parse({ kind: 'hash' }) }, /learns nothing/],
    [{ calibration: calibration.slice(0, 1) }, /too few/],
    [{ calibration: [[1, 2], [3]] }, /one length/],
    [
      {
        calibration: [
          [1, 2],
          [3, 999],
        ],
      },
      /an id 999/,
    ],
    [{ steps: 1.5 }, /steps is 1.5/],
  ])('%j is refused, and nothing written', async (wrong, message) => {
    await noLeaks(async () => {
      const to = join(folder, 'refused');
      const attempt = replaceRouterFolder(fixture('mixtral'), to, { router: small, ...fit, ...wrong });
      await expect(attempt).rejects.toMatchObject({ code: 'VALUE', message: expect.stringMatching(message) });
      await expect(readFile(join(to, 'config.json'))).rejects.toThrow();
    });
  });
});
