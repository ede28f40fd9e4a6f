import { tinyChatFiles } from '@spectra/testing';
import { describe, expect, it } from 'vitest';
import { renderConversation } from './conversation.ts';
import { type EncodedDocument, encodeText, fitRow } from './encode.ts';
import { byteTokenizer } from './tokenizer/byte-tokenizer.ts';
import { chatTemplate } from './tokenizer/chat-template.ts';
import { jsonTokenizer } from './tokenizer/json-tokenizer.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

const files = tinyChatFiles();
const config = JSON.parse(files['tokenizer_config.json']!) as object;
const tiny = jsonTokenizer(JSON.parse(files['tokenizer.json']!) as object, config);
const bytes = byteTokenizer({ documentEnd: true });

/** What is learned and what is not, in order. */
function parts(tokenizer: Tokenizer, { tokens, learned }: EncodedDocument): [boolean, string][] {
  const found: [boolean, number[]][] = [];
  tokens.forEach((id, i) => {
    const wanted = learned![i] === 1;
    if (found.at(-1)?.[0] === wanted) found.at(-1)![1].push(id);
    else found.push([wanted, [id]]);
  });
  return found.map(([wanted, ids]) => [wanted, tokenizer.decode(ids)]);
}

describe('encodeText', () => {
  it('learns the answers of a conversation up to the mark that ends each, no further end mark', () => {
    const turns = [
      { role: 'user', content: 'the sum?' },
      { role: 'assistant', content: 'the 3' },
      { role: 'user', content: 'no' },
      { role: 'assistant', content: 'the  4\n' },
    ];
    const document = { id: 'a', ...renderConversation(chatTemplate(config), turns) };
    const encoded = encodeText(tiny, document);
    expect(parts(tiny, encoded)).toEqual([
      [false, '<|im_start|>user\nthe sum?<|im_end|>\n<|im_start|>assistant\n'],
      [true, 'the 3<|im_end|>'],
      [false, '\n<|im_start|>user\nno<|im_end|>\n<|im_start|>assistant\n'],
      [true, 'the  4\n<|im_end|>'],
      [false, '\n'],
    ]);
    expect([...encoded.tokens]).toEqual(tiny.encode(document.text));
  });

  it('ends a completion with the end mark, which is learned', () => {
    const encoded = encodeText(bytes, { id: 'a', text: 'the sea', answers: [[4, 7]] });
    expect([...encoded.learned!]).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect(encoded.tokens.at(-1)).toBe(256);
    const other = encodeText(bytes, { id: 'a', text: 'the sea', answers: [[0, 3]] });
    expect([...other.learned!]).toEqual([1, 1, 1, 0, 0, 0, 0, 0]);
  });

  it('begins texts, pairs and conversations as the tokenizer does, and only once', () => {
    const written =
      "{{ bos_token }}{% for m in messages %}{{ m.role + ':' + m.content + '<|im_end|>' }}{% endfor %}";
    const own = tinyChatFiles(written, { begins: true });
    const beginning = jsonTokenizer(
      JSON.parse(own['tokenizer.json']!) as object,
      JSON.parse(own['tokenizer_config.json']!) as object,
    );
    const { bos, eos } = beginning;
    const ids = (text: string): number[] => beginning.encode(text);
    expect([...encodeText(beginning, { id: 'a', text: 'the sea' }).tokens]).toEqual([
      bos,
      ...ids('the sea'),
      eos,
    ]);
    const pair = encodeText(beginning, { id: 'a', text: 'the sea', answers: [[4, 7]] });
    expect([...pair.tokens]).toEqual([bos, ...ids('the '), ...ids('sea'), eos]);
    expect(parts(beginning, pair)).toEqual([
      [false, '<|begin|>the '],
      [true, 'sea<|end|>'],
    ]);
    const turns = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: 'b' },
    ];
    for (const source of [JSON.parse(own['tokenizer_config.json']!) as object, { chat_template: written }]) {
      // the second does not know the token, so its template does not write it
      const talk = { id: 'a', ...renderConversation(chatTemplate(source), turns) };
      expect(parts(beginning, encodeText(beginning, talk))).toEqual([
        [false, '<|begin|>user:a<|im_end|>'],
        [true, 'assistant:b<|im_end|>'],
      ]);
    }
  });

  it('splits a token that reaches over a bound, as a prompt that ends there does', () => {
    expect(tiny.encode('th')).toHaveLength(1);
    const encoded = encodeText(tiny, { id: 'a', text: 'th', answers: [[1, 2]], endMark: false });
    expect(parts(tiny, encoded)).toEqual([
      [false, 't'],
      [true, 'h'],
    ]);
  });

  /** Writes a mark before the first word of every text, as SentencePiece does. */
  const words = (decodeJoined: (text: string) => string): Tokenizer => {
    const known = ['', '_a', '_b', 'c', 'bc'];
    return {
      name: 'words',
      vocabSize: known.length,
      eos: undefined,
      encode: text =>
        text === ''
          ? []
          : `_${text.replaceAll(' ', '_')}`.match(/_a|_b|bc|c/g)!.map(word => known.indexOf(word)),
      decode: ids => decodeJoined(Array.from(ids, id => known[id]!).join('')),
    };
  };

  it('keeps the whole text’s tokens where a part alone would begin otherwise', () => {
    const pieces = words(text => text.replaceAll('_', ' '));
    const encoded = encodeText(pieces, { id: 'a', text: 'a b', answers: [[1, 3]], endMark: false });
    expect([...encoded.tokens]).toEqual([1, 2]);
    expect([...encoded.learned!]).toEqual([0, 1]);
  });

  it('refuses a tokenizer that shows no bound', () => {
    // "bc" is one token of the whole, and "c" alone begins with a mark that the whole has not
    const pieces: Tokenizer = {
      ...words(text => text),
      encode: text => (text === 'abc' ? [1, 4] : text === 'ab' ? [1, 2] : text === 'c' ? [3] : []),
    };
    const document = { id: 'a', text: 'abc', answers: [[2, 3]] as [number, number][], endMark: false };
    for (const [given, where] of [
      [document, 'conversation a'],
      [{ ...document, where: 'talk.jsonl:7' }, 'talk.jsonl:7'],
    ] as const) {
      expect(() => encodeText(pieces, given)).toThrow(
        expect.objectContaining({ code: 'TOKENIZER_INVALID', where, fix: expect.any(String) }),
      );
    }
  });
});

describe('fitRow', () => {
  const encoded = { tokens: Uint16Array.of(1, 2, 3, 4, 5), learned: Uint8Array.of(1, 0, 0, 1, 1) };
  it('cuts a conversation behind the row, and drops it where nothing is left to learn', () => {
    expect(fitRow(encoded, 9)).toEqual(encoded);
    expect(fitRow(encoded, 3)).toEqual({
      tokens: Uint16Array.of(1, 2, 3, 4),
      learned: Uint8Array.of(1, 0, 0, 1),
    });
    expect(fitRow(encoded, 2)).toBeUndefined(); // the first token is no target
  });
  it('leaves texts whole, which go on in the next row', () => {
    const text = { tokens: encoded.tokens };
    expect(fitRow(text, 2)).toBe(text);
    expect(fitRow({ tokens: Uint16Array.of(1) }, 2)).toBeUndefined();
  });
});
