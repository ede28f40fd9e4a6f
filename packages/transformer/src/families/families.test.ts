/** Every family's layers let gradients through, and decode with a cache as they run as a whole. */
import { tidied, valueAndGrads } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { emptyCache } from '../cache.ts';
import type { DecoderModel } from '../decoder-model.ts';
import { generate } from '../generate.ts';
import { languageModelLoss } from '../loss.ts';
import { loadModel } from '../node/model-folder.ts';
import { type GoldenModel, goldenModels } from './conformance/golden-model.ts';

beforeAll(testBackend);

/** One folder per family: layouts do not matter here. */
const models = goldenModels().filter(({ name }) => !/_fused|_fp8|_mxfp4|_upcycled/.test(name));

describe.each(models)('$name', ({ folder, inputs }) => {
  it('reaches every parameter with a gradient', async () => {
    await noLeaks(async () => {
      const model = await loadModel(folder);
      const ids = inputs.input_ids;
      const { value, grads } = valueAndGrads(() => {
        const inputIds = tf.tensor2d(
          ids.map(row => row.slice(0, -1)),
          undefined,
          'int32',
        );
        const targets = tf.tensor2d(
          ids.map(row => row.slice(1)),
          undefined,
          'int32',
        );
        return languageModelLoss(model, { inputIds, targets }).loss;
      }, model.parameters());
      for (const { name } of model.parameters()) {
        const found = await grads.get(name)!.data();
        // adding the same to all keys, or to all logits of a router, changes no softmax
        const neutral = /k_proj\.bias$/.test(name);
        const largest = Math.max(...found.map(Math.abs));
        expect(Number.isFinite(largest), name).toBe(true);
        if (!neutral) expect(largest, name).toBeGreaterThan(0);
      }
      tf.dispose([value, ...grads.values()]);
      model.dispose();
    });
  });

  it('decodes in pieces as it runs as a whole', async () => {
    await noLeaks(async () => {
      const model = await loadModel(folder);
      await piecesEqualWhole(model, inputs);
      model.dispose();
    });
  });
});

/** Each piece after a cache must give what the whole prefix gives; none crosses the switch of LongRoPE. */
async function piecesEqualWhole(model: DecoderModel, inputs: GoldenModel['inputs']): Promise<void> {
  const { input_ids: rows, attention_mask: mask } = inputs.padded;
  const part = (from: number, to: number, masked: boolean) => ({
    inputIds: tf.tensor2d(
      rows.map(row => row.slice(from, to)),
      undefined,
      'int32',
    ),
    mask: masked
      ? tf.tensor2d(
          mask.map(row => row.slice(from, to)),
          undefined,
          'float32',
        )
      : undefined,
    logits: 'last' as const,
  });
  const cuts = [0, 9, 10, 13, model.switchesAt ?? 24];
  for (const masked of [false, true]) {
    const pairs = tidied(() => {
      let cache = emptyCache();
      return cuts.slice(1).map((to, i) => {
        const out = model.forward({ ...part(cuts[i]!, to, masked), cache });
        cache = out.cache!;
        return [out.logits, model.forward(part(0, to, masked)).logits] as const;
      });
    });
    for (const [i, [piece, whole]] of pairs.entries()) {
      const wanted = await whole.data<'float32'>();
      const largest = wanted.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
      await expectClose(piece, wanted, { name: `up to ${cuts[i + 1]}`, tolerance: 3e-5 * largest });
      tf.dispose([piece, whole]);
    }
  }
}

describe('LongRoPE', () => {
  const { folder, inputs } = models.find(({ name }) => name === 'phi3')!;

  it('makes generation start anew where the frequencies switch', async () => {
    const model = await loadModel(folder);
    const at = model.switchesAt!;
    // the longer row switches for both, in the middle of the new tokens
    const prompts = [inputs.input_ids[0]!.slice(0, at - 3), inputs.input_ids[1]!.slice(0, at - 7)];
    const found = await generate(model, prompts, { maxNewTokens: 6 });
    const texts = prompts.map(prompt => [...prompt]);
    for (let step = 0; step < 6; step++) {
      const width = Math.max(...texts.map(text => text.length));
      const padded = (row: number[], fill: number, value: (x: number) => number): number[] => [
        ...new Array<number>(width - row.length).fill(fill),
        ...row.map(value),
      ];
      const logits = tf.tidy(() => {
        const inputIds = tf.tensor2d(
          texts.map(text => padded(text, 0, id => id)),
          undefined,
          'int32',
        );
        const mask = tf.tensor2d(
          texts.map(text => padded(text, 0, () => 1)),
          undefined,
          'float32',
        );
        return model.forward({ inputIds, mask, logits: 'last' }).logits;
      });
      const best = await tf.tidy(() => tf.argMax(logits, 2)).data();
      for (const [r, text] of texts.entries()) text.push(best[r]!);
      logits.dispose();
    }
    expect(found.map(row => [...row.tokens])).toEqual(texts.map((text, r) => text.slice(prompts[r]!.length)));
    model.dispose();
  });

  it('refuses a cache that the switch has made wrong', async () => {
    const model = await loadModel(folder);
    const ids = (count: number) => tf.tensor2d([inputs.input_ids[0]!.slice(0, count)], undefined, 'int32');
    const { cache } = model.forward({ inputIds: ids(model.switchesAt! - 1), cache: emptyCache() });
    expect(model.forward({ inputIds: ids(1), cache }).cache?.length).toBe(model.switchesAt);
    expect(() => model.forward({ inputIds: ids(2), cache })).toThrow('empty cache');
    model.dispose();
  });
});
