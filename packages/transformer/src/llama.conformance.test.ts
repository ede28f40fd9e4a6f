/** Tiny Llama checkpoints against what transformers computes for them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '@spectra/checkpoint/node';
import { expectClose, noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHfConfig, generate, loadModel } from './node.ts';

const ROOT = process.env.SPECTRA_HF_FIXTURES ?? join(workspaceRoot(), 'fixtures', 'hf');
const FOLDERS = ['llama', 'smollm2'].map(name => join(ROOT, name)).filter(folder => existsSync(folder));

interface Inputs {
  readonly input_ids: number[][];
  readonly prompt_ids: number[][];
  readonly padded: { input_ids: number[][]; attention_mask: number[][]; position_ids: number[][] };
}

function json(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The bound that the fixtures' own measurements make fair for float32. */
const RELATIVE = 3e-5;

beforeAll(testBackend);

it('finds a fixture', () => expect(FOLDERS.length).toBeGreaterThan(0));

describe.each(FOLDERS)('%s', folder => {
  const inputs = json(join(folder, 'inputs.json')) as Inputs;

  async function golden(name: string) {
    const store = await openModel(join(folder, 'expected.safetensors'));
    const { shape, data } = await store.read(name);
    await store.close();
    return { shape, data: data as Float32Array };
  }

  async function expectGolden(name: string, actual: tf.Tensor): Promise<void> {
    const { shape, data } = await golden(name);
    expect(actual.shape).toEqual(shape);
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    await expectClose(actual, data, { name, tolerance: RELATIVE * largest });
  }

  it('reads the v4 and the v5 configuration alike', () => {
    const v4 = fromHfConfig(json(join(folder, 'config.json')));
    const v5 = join(folder, 'config.v5.json');
    if (!existsSync(v5)) return;
    const { head_dim: _4, ...four } = v4;
    const { head_dim: _5, ...five } = fromHfConfig(json(v5));
    expect(five).toEqual(four);
  });

  it('computes every layer, the logits and the padded logits', async () => {
    await noLeaks(async () => {
      const model = await loadModel(folder);
      const ids = tf.tensor2d(inputs.input_ids, undefined, 'int32');
      const out = model.forward({ inputIds: ids, layerOutputs: true });
      for (const [i, output] of out.layerOutputs.entries()) await expectGolden(`layers.${i}.output`, output);
      await expectGolden('final_norm', out.hidden);
      await expectGolden('logits', out.logits);

      const { padded } = inputs;
      const mask = tf.tensor2d(padded.attention_mask, undefined, 'float32');
      const paddedIds = tf.tensor2d(padded.input_ids, undefined, 'int32');
      const given = tf.tensor2d(padded.position_ids, undefined, 'int32');
      for (const positions of [undefined, given]) {
        const left = model.forward({ inputIds: paddedIds, mask, positions });
        const real = tf.tidy(() => tf.mul(left.logits, tf.expandDims(mask, 2)));
        await expectGolden('padded.logits', real);
        tf.dispose([real, left as unknown as tf.TensorContainer]);
      }
      tf.dispose([ids, mask, paddedIds, given, out as unknown as tf.TensorContainer]);
      model.dispose();
    });
  });

  it('generates the same tokens greedily', async () => {
    await noLeaks(async () => {
      const model = await loadModel(folder);
      const rows = await generate(model, inputs.prompt_ids, { maxNewTokens: 12 });
      const { data } = await golden('generated');
      expect(rows.flatMap(row => [...row.tokens])).toEqual([...data]);
      model.dispose();
    });
  });
});
