/** Every family's tiny checkpoints against what transformers computes from them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openModel, type WritableData } from '@spectra/checkpoint/node';
import { backendUnderTest, expectClose, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DecoderModel } from '../../decoder-model.ts';
import { generate } from '../../generate.ts';
import { describeModel } from '../../model-description.ts';
import { modelTensorSpecs } from '../../model-tensors.ts';
import { loadModel } from '../../node/model-folder.ts';
import { goldenModels, goldenTensors, readJson } from './golden-model.ts';

beforeAll(testBackend);

/** The bound that the fixtures' own measurements make fair for float32, relative to a tensor's largest value. */
const RELATIVE = 3e-5;
const GATES = 1e-5;
/** All that are recorded; a software GPU takes a second for each. */
const NEW_TOKENS = backendUnderTest() === 'webgpu' ? 3 : 12;

const all = goldenModels();
/** A software GPU takes half a minute for each: there, those that between them run every block and router. */
const ON_WEBGPU = new Set(['llama', 'gemma3_text', 'phi3', 'gpt2', 'qwen2_moe', 'deepseek_v3', 'gpt_oss']);
const models = backendUnderTest() === 'webgpu' ? all.filter(({ name }) => ON_WEBGPU.has(name)) : all;

it('finds every kind of checkpoint', () => {
  const types = new Set(
    all.map(({ folder }) => describeModel(readJson(join(folder, 'config.json'))).family.modelType),
  );
  expect(types.size).toBeGreaterThanOrEqual(16);
});

describe.each(models)('$name', ({ folder, inputs }) => {
  const largest = (data: ArrayLike<number>): number => {
    let most = 0;
    for (let i = 0; i < data.length; i++) most = Math.max(most, Math.abs(data[i]!));
    return most;
  };
  type Golden = Awaited<ReturnType<typeof goldenTensors>>;

  async function close(golden: Golden, name: string, actual: tf.Tensor): Promise<void> {
    const { shape, data } = golden.get(name)!;
    expect(actual.shape, name).toEqual(shape);
    await expectClose(actual, data as Float32Array, { name, tolerance: RELATIVE * largest(data) });
  }

  async function everyLayer(model: DecoderModel, golden: Golden): Promise<void> {
    const ids = tf.tensor2d(inputs.input_ids, undefined, 'int32');
    const out = model.forward({ inputIds: ids, layerOutputs: true });
    await close(golden, 'embeddings', out.embeddings!);
    const routings = [...out.routings];
    for (const [i, output] of out.layerOutputs.entries()) {
      await close(golden, `layers.${i}.attn.output`, out.traces[i]!.attention);
      if (model.layers[i]!.moe !== undefined) {
        const { indices, weights } = routings.shift()!;
        const shape = golden.get(`layers.${i}.router.indices`)!.shape;
        const chosen = tf.reshape(indices, [...shape]);
        const gates = tf.reshape(weights, [...shape]);
        const wanted = golden.get(`layers.${i}.router.indices`)!.data;
        expect([...(await chosen.data())], `experts of layer ${i}`).toEqual([...wanted]);
        const { data } = golden.get(`layers.${i}.router.weights`)!;
        await expectClose(gates, data as Float32Array, { name: `gates of layer ${i}`, tolerance: GATES });
        tf.dispose([chosen, gates]);
      }
      await close(golden, `layers.${i}.mlp.output`, out.traces[i]!.feedForward);
      await close(golden, `layers.${i}.output`, output);
    }
    await close(golden, 'final_norm', out.hidden);
    await close(golden, 'logits', out.logits);
    tf.dispose([ids, out as unknown as tf.TensorContainer]);
  }

  async function padded(model: DecoderModel, golden: Golden): Promise<void> {
    const { padded: left } = inputs;
    const mask = tf.tensor2d(left.attention_mask, undefined, 'float32');
    const inputIds = tf.tensor2d(left.input_ids, undefined, 'int32');
    const given = tf.tensor2d(left.position_ids, undefined, 'int32');
    for (const positions of [undefined, given]) {
      const logits = tf.tidy(() =>
        tf.mul(model.forward({ inputIds, mask, positions }).logits, tf.expandDims(mask, 2)),
      );
      await close(golden, 'padded.logits', logits);
      logits.dispose();
    }
    tf.dispose([mask, inputIds, given]);
  }

  it('computes every layer, the logits, the padded logits and the greedy continuations', async () => {
    await noLeaks(async () => {
      const golden = await goldenTensors(folder);
      const model = await loadModel(folder);
      await everyLayer(model, golden);
      await padded(model, golden);
      const { data, shape } = golden.get('generated')!;
      const rows = await generate(model, inputs.prompt_ids, { maxNewTokens: NEW_TOKENS });
      for (const [r, { tokens }] of rows.entries()) {
        const from = r * shape[1]!;
        expect([...tokens]).toEqual([...data.slice(from, from + NEW_TOKENS)]);
      }
      model.dispose();
    });
  });

  it('saves what was read, in the layout that was read', async () => {
    await noLeaks(async () => {
      const model = await loadModel(folder);
      const { family, architecture } = model.description;
      const store = await openModel(folder);
      const kept = store.names().filter(name => !family.carried?.(name, architecture));
      const specs = modelTensorSpecs(model);
      expect(specs.map(({ name }) => name).sort()).toEqual(kept.sort());
      for (const { name, shape, data } of specs) {
        const stored = await store.read(name);
        expect(shape, name).toEqual(stored.shape);
        expect(Buffer.compare(bytesOf(await data()), bytesOf(stored.data)), name).toBe(0);
      }
      await store.close();
      model.dispose();
    });
  });
});

const inBothStyles = models.filter(({ folder }) => existsSync(join(folder, 'config.v5.json')));
it.each(inBothStyles)('$name: the published and the v5 configuration say the same', ({ folder }) => {
  const [published, v5] = ['config.json', 'config.v5.json'].map(
    file => describeModel(readJson(join(folder, file))).architecture,
  );
  expect(v5).toEqual(published);
});

function bytesOf(data: WritableData): Buffer {
  return Buffer.from(Float32Array.from(data).buffer);
}
