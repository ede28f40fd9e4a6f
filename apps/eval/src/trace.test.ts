import { byteTokenizer } from '@spectra/data';
import { setBackend } from '@spectra/tensor';
import { DecoderModel } from '@spectra/transformer';
import { beforeAll, describe, expect, it } from 'vitest';
import { traceText } from './trace.ts';

beforeAll(() => setBackend('wasm'));

const tiny = {
  vocab_size: 256,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
};

describe('traceText', () => {
  it('gives every token k experts per layer with gates that sum to 1', async () => {
    const model = new DecoderModel({ ...tiny, moe: { experts: 4, k: 2, intermediate_size: 8 } });
    const tokens = await traceText(model, byteTokenizer(), 'moby');
    expect(tokens.map(token => token.text).join('')).toBe('moby');
    for (const { experts, gates } of tokens) {
      expect(experts.map(chosen => new Set(chosen).size)).toEqual([2, 2]);
      for (const row of gates) expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    }
    model.dispose();
  });

  it('begins the text as the tokenizer does', async () => {
    const model = new DecoderModel({ ...tiny, moe: { experts: 4, k: 2, intermediate_size: 8 } });
    const begun = await traceText(model, { ...byteTokenizer(), bos: 35 }, 'moby');
    expect(begun).toEqual(await traceText(model, byteTokenizer(), '#moby'));
    model.dispose();
  });

  it('refuses an empty text and a dense model', async () => {
    const model = new DecoderModel(tiny);
    await expect(traceText(model, byteTokenizer(), '')).rejects.toThrow('no token');
    await expect(traceText(model, byteTokenizer(), 'a')).rejects.toThrow('no mixture-of-experts layer');
    model.dispose();
  });
});
