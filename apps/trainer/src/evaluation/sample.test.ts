import { byteTokenizer, jsonTokenizer } from '@spectra/data';
import { setBackend } from '@spectra/tensor';
import { DecoderModel } from '@spectra/transformer';
import { beforeAll, expect, it } from 'vitest';
import { turnsDuring } from '../testing/turns.ts';
import { sampleContinuation, tokenTexts } from './sample.ts';

beforeAll(() => setBackend('wasm'));

const tiny = () =>
  new DecoderModel({ vocab_size: 256, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2 });

it('begins the prompt as the tokenizer begins texts', async () => {
  const model = tiny();
  const options = { tokens: 4, temperature: 0, topP: 1, seed: 0 };
  const texts = async (prompt: string, bos?: number): Promise<string[]> => {
    const { tokens } = await sampleContinuation(model, { ...byteTokenizer(), bos }, { prompt, ...options });
    return tokens.map(({ text, prompt: given }) => (given ? `${text}<` : text));
  };
  expect((await texts('ab')).slice(0, 2)).toEqual(['a<', 'b<']);
  const begun = await texts('ab', 35);
  expect(begun.slice(0, 3)).toEqual(['#<', 'a<', 'b<']);
  expect(begun).toEqual(await texts('#ab'));
  expect(await texts('#ab', 35)).toEqual(begun);
  // nothing given: a line feed, or what begins texts
  expect((await texts(''))[0]).toBe('\n<');
  expect((await texts('', 35))[0]).toBe('#<');
  model.dispose();
});

it('a character of several bytes belongs to its last one', () => {
  const tokenizer = byteTokenizer();
  expect(tokenTexts(tokenizer.encode('aé–b'), tokenizer)).toEqual(['a', '', 'é', '', '', '–', 'b']);
});

it('bytes that are no text show as such and lose nothing after them', () => {
  const texts = tokenTexts([0xff, 0xff, 0xff, 0xff, 0x61, 0xc3], byteTokenizer());
  expect(texts.join('')).toMatch(/^\ufffd+a\ufffd$/);
  expect(texts.at(-1)).toBe('\ufffd');
});

it.each([
  { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' },
  {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
])('words of a SentencePiece vocabulary keep their blanks: $type', decoder => {
  const vocab = { '<unk>': 0, '</s>': 1, '▁': 2, '▁The': 3, '▁whale': 4, '▁swam': 5, '.': 6 };
  const tokenizer = jsonTokenizer({
    version: '1.0',
    added_tokens: [{ id: 1, content: '</s>', special: true }],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder,
    model: { type: 'BPE', vocab, merges: [], unk_token: '<unk>' },
  });
  const ids = [3, 4, 5, 6, 3, 2, 4];
  const texts = tokenTexts(ids, tokenizer);
  expect(texts.join('')).toBe(tokenizer.decode(ids));
  expect(texts).toEqual(['The', ' whale', ' swam', '.', ' The', ' ', ' whale']);
});

it('lets signals in between two tokens', async () => {
  const model = tiny();
  const options = { prompt: 'a', tokens: 20, temperature: 0, topP: 1, seed: 0 };
  const turns = await turnsDuring(() => sampleContinuation(model, byteTokenizer(), options));
  expect(turns).toBeGreaterThanOrEqual(20);
  model.dispose();
});
