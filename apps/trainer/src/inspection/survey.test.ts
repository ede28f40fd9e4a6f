import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '@spectra/checkpoint/node';
import { workspaceRoot } from '@spectra/testing';
import { expect, it } from 'vitest';
import { groupTensors, type Survey, surveyModel } from './survey.ts';

async function survey(name: string): Promise<Survey> {
  const folder = join(workspaceRoot(), 'fixtures', 'hf', name);
  const store = await openModel(folder);
  try {
    return surveyModel(store, JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')));
  } finally {
    await store.close();
  }
}

it('counts quantised weights by what they stand for', async () => {
  const { tensors, parameters, files, routers, bytes } = await survey('deepseek_v3_fp8');
  expect(tensors.some(({ name }) => name.endsWith('_scale_inv'))).toBe(false);
  const down = tensors.find(({ name }) => name === 'model.layers.1.mlp.experts.0.down_proj.weight');
  expect(down).toMatchObject({
    shape: [192, 144],
    dtype: 'F8_E4M3 in blocks of 128×128',
    role: 'expert',
    parameters: 192 * 144,
    bytes: 192 * 144 + 4 * 4,
  });
  expect(files).toBe(3);
  const sum = tensors.reduce((a, b) => a + b.parameters, 0);
  expect(parameters.total).toBe(sum);
  const experts = tensors.filter(({ role }) => role === 'expert').reduce((a, b) => a + b.parameters, 0);
  expect(parameters.active).toBe(sum - (experts * 6) / 8);
  expect(bytes).toBeLessThan(2 * sum);
  expect(routers).toEqual([{ layer: 0, kind: 'deepseek_v3', experts: 8, slots: 2, state: [] }]);
  expect(
    tensors
      .filter(({ role }) => role === 'router')
      .map(({ name }) => name)
      .sort(),
  ).toEqual(['model.layers.1.mlp.gate.e_score_correction_bias', 'model.layers.1.mlp.gate.weight']);
});

it('leaves layers that do not run out of the active parameters', async () => {
  const { tensors, parameters } = await survey('glm4_moe');
  const passengers = tensors.filter(({ name }) => name.startsWith('model.layers.3.'));
  expect(passengers.length).toBeGreaterThan(3);
  const experts = tensors.filter(({ role }) => role === 'expert').reduce((a, b) => a + b.parameters, 0);
  const idle = (experts * 6) / 8 + passengers.reduce((a, b) => a + b.parameters, 0);
  expect(parameters.active).toBe(parameters.total - idle);
});

it('says the same of both layouts of experts, and of MXFP4', async () => {
  const [a, b] = [await survey('mixtral'), await survey('mixtral_fused')];
  expect(a.parameters).toEqual(b.parameters);
  expect(a.routers).toEqual(b.routers);
  const { tensors } = await survey('gpt_oss_mxfp4');
  expect(tensors.find(({ dtype }) => dtype === 'MXFP4')).toMatchObject({
    shape: [8, 96, 64],
    role: 'expert',
  });
});

it('puts tensors that differ in layer or expert into one line', async () => {
  const { tensors } = await survey('mixtral');
  const groups = groupTensors(tensors);
  expect(groups.find(({ pattern }) => pattern.endsWith('w1.weight'))).toEqual({
    pattern: 'model.layers.{L}.block_sparse_moe.experts.{e}.w1.weight',
    shape: [32, 64],
    dtype: 'F32',
    count: 24,
    parameters: 24 * 2048,
  });
  expect(groups.reduce((sum, { count }) => sum + count, 0)).toBe(tensors.length);
});

it('counts experts that a family has not by our own section', async () => {
  const folder = join(workspaceRoot(), 'fixtures', 'hf', 'mixtral');
  const store = await openModel(folder);
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as object;
  const ours = { experts: 8, k: 4, router: { kind: 'spectra' } };
  const { parameters, routers, tensors } = surveyModel(store, { ...config, spectra_moe: ours });
  await store.close();
  const experts = tensors.filter(({ role }) => role === 'expert').reduce((a, b) => a + b.parameters, 0);
  expect(parameters.active).toBe(parameters.total - experts / 2);
  expect(routers[0]).toMatchObject({ kind: 'spectra', experts: 8, slots: 4 });
});
