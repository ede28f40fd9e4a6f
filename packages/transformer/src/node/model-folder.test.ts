import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModel } from '@spectra/checkpoint/node';
import { readTensors, valueAndGrads } from '@spectra/tensor';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DecoderModel } from '../decoder-model.ts';
import { languageModelLoss } from '../loss.ts';
import { routerStates } from '../model-tensors.ts';
import { ids, largestDifference, randomRows, SPECTRA, TINY, tinyMoe } from '../test-support.ts';
import { loadModel, loadModelDescription, saveModel } from './model-folder.ts';

beforeAll(testBackend);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectra-model-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Commits one training step to every router, as a trainer does. */
async function commitOnce(model: DecoderModel): Promise<void> {
  const rows = randomRows(3, 8, 17);
  const kept: Record<string, tf.Tensor>[] = [];
  const { value, grads } = valueAndGrads(() => {
    const [inputIds, targets] = [ids(rows.map(row => row.slice(0, -1))), ids(rows.map(row => row.slice(1)))];
    const { loss, routings } = languageModelLoss(model, { inputIds, targets });
    for (const { statistics } of routings) {
      kept.push(
        Object.fromEntries(Object.entries(statistics).map(([name, t]) => [name, tf.keep(t.clone())])),
      );
    }
    return loss;
  }, model.parameters());
  for (const [layer, statistics] of kept.entries()) {
    const host = await readTensors(statistics);
    const arrays = Object.entries(host).map(([name, data]) => [
      name,
      { shape: statistics[name]!.shape, data: Float32Array.from(data) },
    ]);
    model.routers[layer]!.commit([Object.fromEntries(arrays)]);
  }
  tf.dispose([value, ...grads.values(), ...kept]);
}

async function sameLogits(a: DecoderModel, b: DecoderModel): Promise<number> {
  const inputIds = ids(randomRows(9, 2, 9));
  const [x, y] = [a, b].map(model => tf.tidy(() => model.forward({ inputIds }).logits));
  const found = await largestDifference(x!, y!);
  tf.dispose([inputIds, x, y]);
  return found;
}

describe.each([
  ['dense', TINY],
  [
    'untied, biased, learned positions',
    { ...TINY, tie_word_embeddings: false, attention_bias: true, mlp_bias: true, positions: 'learned' },
  ],
  ['spectra', tinyMoe(SPECTRA)],
  [
    'global router, shared expert, a dense layer',
    tinyMoe(
      { ...SPECTRA, sharing: 'global' },
      {
        moe: {
          experts: 4,
          k: 2,
          intermediate_size: 12,
          first_dense_layers: 1,
          shared_experts: 2,
          scale: 1.5,
          router: { ...SPECTRA, sharing: 'global' },
        },
      },
    ),
  ],
  ['expert choice', tinyMoe({ kind: 'expert-choice' })],
  ['llama', { ...TINY, model_type: 'llama' }],
] as const)('saveModel and loadModel: %s', (_, config) => {
  it('give back the same model, prices included', async () => {
    await noLeaks(async () => {
      const model = new DecoderModel(config, { seed: 3 });
      if (model.routers.length > 0) await commitOnce(model);
      const files = await saveModel(model, join(folder, 'new', 'model'), { maxShardBytes: 6000 });
      expect(Object.keys(files)).toEqual(
        expect.arrayContaining(['config.json', 'model.safetensors.index.json']),
      );
      const loaded = await loadModel(join(folder, 'new', 'model'));
      expect(await sameLogits(model, loaded)).toBe(0);
      expect(routerStates(loaded)).toEqual(routerStates(model));
      model.dispose();
      loaded.dispose();
    });
  });
});

describe('model folders', () => {
  it('hold prices as F32 under their layer', async () => {
    const model = new DecoderModel(tinyMoe(SPECTRA));
    await commitOnce(model);
    await saveModel(model, folder, { dtype: 'BF16' });
    const store = await openModel(folder);
    expect(store.entry('model.layers.2.mlp.router.state.price')).toMatchObject({ dtype: 'F32', shape: [4] });
    expect(store.entry('model.embed_tokens.weight').dtype).toBe('BF16');
    await store.close();
    const loaded = await loadModel(folder);
    expect(routerStates(loaded)).toEqual(routerStates(model));
    expect(
      Object.values(routerStates(loaded)['model.layers.2.mlp.router.state.price']!.data).some(
        price => price !== 0,
      ),
    ).toBe(true);
    model.dispose();
    loaded.dispose();
  });

  it('refuse tensors that do not fit the configuration, and to overwrite', async () => {
    await noLeaks(async () => {
      const model = new DecoderModel(TINY);
      await saveModel(model, folder);
      await expect(saveModel(model, folder)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      // what a failed call wrote is gone, what was there stays
      await rm(join(folder, 'model.safetensors'));
      await expect(saveModel(model, folder)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
      expect(await readdir(folder)).toEqual(['config.json']);
      await rm(join(folder, 'config.json'));
      await saveModel(model, folder);
      model.dispose();
      const path = join(folder, 'config.json');
      const config = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...config, num_hidden_layers: 3 }));
      await expect(loadModel(folder)).rejects.toThrow('missing: model.layers.2.');
      await writeFile(path, JSON.stringify({ ...config, tie_word_embeddings: false }));
      await expect(loadModel(folder)).rejects.toThrow('lm_head.weight');
      await writeFile(path, JSON.stringify({ ...config, num_hidden_layers: 1 }));
      await expect(loadModel(folder)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
      await writeFile(path, '{');
      await expect(loadModelDescription(folder)).rejects.toMatchObject({ code: 'FILE_BROKEN' });
      await rm(path);
      await expect(loadModelDescription(folder)).rejects.toMatchObject({ code: 'FILE_MISSING' });
      expect(await readdir(folder)).toEqual(['model.safetensors']);
    });
  });

  it('say what form their weights have, whatever those that were read had', async () => {
    const model = await loadModel(join(workspaceRoot(), 'fixtures/hf/deepseek_v3_fp8'));
    expect(model.description.config).toHaveProperty('quantization_config');
    await saveModel(model, folder, { dtype: 'BF16' });
    const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
    expect(config).not.toHaveProperty('quantization_config');
    expect(config.torch_dtype ?? config.dtype).toBe('bfloat16');
    (await loadModel(folder)).dispose();
    model.dispose();
  });

  it('refuse weights in a form that is not read', async () => {
    const model = new DecoderModel(TINY);
    await saveModel(model, folder);
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...config, quantization_config: { quant_method: 'awq' } }));
    await expect(loadModel(folder)).rejects.toThrow('quantised by "awq", which is not read');
    model.dispose();
  });

  it('refuse a router of another shape', async () => {
    const model = new DecoderModel(tinyMoe(SPECTRA));
    await saveModel(model, folder);
    const path = join(folder, 'config.json');
    const config = JSON.parse(await readFile(path, 'utf8'));
    config.moe.router = { ...config.moe.router, router_dim: 5 };
    await writeFile(path, JSON.stringify(config));
    await expect(loadModel(folder)).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    model.dispose();
  });
});
