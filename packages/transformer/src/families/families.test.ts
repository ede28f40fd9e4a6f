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

  /** The most probable next token of each row of texts, read anew as one batch; rows that ended go on as padding. */
  async function nextTokens(
    model: DecoderModel,
    texts: readonly (readonly number[])[],
    ended: readonly number[],
  ) {
    const width = Math.max(...texts.map((text, r) => text.length + ended[r]!));
    const padded = (value: (id: number) => number) =>
      texts.map((text, r) => [
        ...new Array<number>(width - text.length - ended[r]!).fill(0),
        ...text.map(value),
        ...new Array<number>(ended[r]!).fill(0),
      ]);
    const best = tf.tidy(() => {
      const inputIds = tf.tensor2d(
        padded(id => id),
        undefined,
        'int32',
      );
      const mask = tf.tensor2d(
        padded(() => 1),
        undefined,
        'float32',
      );
      return tf.argMax(model.forward({ inputIds, mask, logits: 'last' }).logits, 2);
    });
    const found = await best.data();
    best.dispose();
    return found;
  }

  it('makes generation start anew where the frequencies switch', async () => {
    const model = await loadModel(folder);
    const at = model.switchesAt!;
    // the longer row switches for both, in the middle of the new tokens
    const prompts = [inputs.input_ids[0]!.slice(0, at - 3), inputs.input_ids[1]!.slice(0, at - 7)];
    const found = await generate(model, prompts, { maxNewTokens: 6 });
    const texts = prompts.map(prompt => [...prompt]);
    for (let step = 0; step < 6; step++) {
      const best = await nextTokens(model, texts, [0, 0]);
      for (const [r, text] of texts.entries()) text.push(best[r]!);
    }
    expect(found.map(row => [...row.tokens])).toEqual(texts.map((text, r) => text.slice(prompts[r]!.length)));
    model.dispose();
  });

  it('stays with the frequencies of a row that has ended', async () => {
    const model = await loadModel(folder);
    const at = model.switchesAt!;
    const prompts = [
      [...inputs.input_ids[0]!, ...inputs.input_ids[0]!].slice(0, at + 2),
      inputs.input_ids[1]!.slice(0, 9),
    ];
    const [first] = await nextTokens(model, prompts, [0, 0]);
    const texts = prompts.map(prompt => [...prompt]);
    const expected: number[] = [];
    for (let step = 0; step < 6; step++) {
      const best = await nextTokens(model, texts, [Math.max(0, step - 1), 0]);
      if (step === 0) texts[0]!.push(first!);
      texts[1]!.push(best[1]!);
      expected.push(best[1]!);
    }
    expect(expected).not.toContain(first);
    const [ended, open] = await generate(model, prompts, { maxNewTokens: 6, stopTokens: [first!] });
    expect(ended!.tokens).toEqual([first]);
    expect(open!.tokens).toEqual(expected);
    const alone = await generate(model, [prompts[1]!], { maxNewTokens: 6 });
    expect(alone[0]!.tokens, 'the test can tell the frequencies apart').not.toEqual(expected);
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
