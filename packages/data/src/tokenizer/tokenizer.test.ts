import { SpectraError } from '@spectra/tensor';
import { tinyChatFiles } from '@spectra/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteCharacters } from './byte-characters.ts';
import { byteTokenizer } from './byte-tokenizer.ts';
import { jsonTokenizer } from './json-tokenizer.ts';
import { encodeDocument, encodePrompt } from './tokenizer.ts';

describe('byteTokenizer', () => {
  it('gives every text back', () => {
    const tokenizer = byteTokenizer();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        const ids = tokenizer.encode(text);
        expect(ids).toEqual([...new TextEncoder().encode(text)]);
        expect(tokenizer.decode(ids)).toBe(text);
      }),
    );
    expect(tokenizer.decode(tokenizer.encode('\ufeffbyte order mark'))).toBe('\ufeffbyte order mark');
  });

  it('can end documents', () => {
    const tokenizer = byteTokenizer({ documentEnd: true });
    expect([tokenizer.vocabSize, tokenizer.eos]).toEqual([257, 256]);
    expect(encodeDocument(tokenizer, 'a')).toEqual([97, 256]);
    expect(tokenizer.decode([97, 256, 98])).toBe('ab');
    expect(encodeDocument(byteTokenizer(), 'a')).toEqual([97]);
    expect(() => byteTokenizer().decode([256])).toThrow(SpectraError);
  });
});

/** Byte-level BPE of all bytes but 0x04, with merges for "th" and "the". */
function smallTokenizer(): object {
  const tokens = [...byteCharacters().filter((_, byte) => byte !== 4), 'th', 'the'];
  return {
    version: '1.0',
    added_tokens: [
      {
        id: 257,
        content: '<|end|>',
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: ['t h', 'th e'],
    },
  };
}

describe('jsonTokenizer', () => {
  const tokenizer = jsonTokenizer(smallTokenizer(), { eos_token: { content: '<|end|>' } });

  it('encodes with merges and without additions', () => {
    expect(tokenizer.encode('the')).toEqual([tokenizer.idOf('the')]);
    expect(tokenizer.decode(tokenizer.encode('then naïve 😀\n\n1'))).toBe('then naïve 😀\n\n1');
    expect([tokenizer.vocabSize, tokenizer.eos]).toEqual([258, 257]);
    expect(encodeDocument(tokenizer, 'the')).toEqual([tokenizer.idOf('the'), 257]);
    expect(tokenizer.decode([tokenizer.idOf('the')!, 257])).toBe('the<|end|>');
    expect(tokenizer.decode([tokenizer.idOf('the')!, 257], { skipSpecial: true })).toBe('the');
    expect(tokenizer.encode('the<|end|>')).toEqual([tokenizer.idOf('the'), 257]);
  });

  it('takes nothing for nothing', () => {
    expect(tokenizer.encode('')).toEqual([]);
    expect(tokenizer.decode([])).toBe('');
  });

  it('says which bytes it would drop', () => {
    expect(tokenizer.droppedBytes).toEqual([4]);
    expect(tokenizer.decode(tokenizer.encode('a\u0004b'))).toBe('ab');
  });

  it('begins texts where its post-processor does, with the token that the config names', () => {
    const files = tinyChatFiles(undefined, { begins: true });
    const json = JSON.parse(files['tokenizer.json']!) as { post_processor: { processors: object[] } };
    const config = JSON.parse(files['tokenizer_config.json']!) as object;
    const llama = jsonTokenizer(json, config);
    expect(llama.bos).toBe(llama.idOf('<|begin|>'));
    expect(llama.encode('the')).not.toContain(llama.bos);
    expect(encodePrompt(llama, 'the')).toEqual([llama.bos, ...llama.encode('the')]);
    expect(encodePrompt(llama, '<|begin|>the')).toEqual(encodePrompt(llama, 'the'));
    expect(encodePrompt(llama, '')).toEqual([llama.bos]);
    expect(encodeDocument(llama, 'a')).toEqual([llama.bos, ...llama.encode('a'), llama.eos]);
    // as GPT-2's, Qwen's and SmolLM2's: the config names one, and texts do not begin with it
    for (const post_processor of [null, json.post_processor.processors[0]])
      expect(jsonTokenizer({ ...json, post_processor }, config).bos).toBeUndefined();
    // or texts begin with something that is no beginning of a text
    expect(jsonTokenizer(json, { bos_token: '<|im_start|>' }).bos).toBeUndefined();
    expect(jsonTokenizer(json).bos).toBeUndefined();
    expect(tokenizer.bos).toBeUndefined();
  });

  it('lets the end token be chosen and refuses what it cannot use', () => {
    expect(jsonTokenizer(smallTokenizer(), {}, { eos: 'the' }).eos).toBe(tokenizer.idOf('the'));
    expect(jsonTokenizer(smallTokenizer()).eos).toBeUndefined();
    const invalid = expect.objectContaining({ code: 'TOKENIZER_INVALID' });
    expect(() => jsonTokenizer(smallTokenizer(), {}, { eos: '</s>' })).toThrow(invalid);
    expect(() => jsonTokenizer({})).toThrow(invalid);
    expect(() => jsonTokenizer({ model: { type: 'Nothing', vocab: {} } })).toThrow(invalid);
  });
});
