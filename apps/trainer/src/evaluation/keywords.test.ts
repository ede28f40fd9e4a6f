import { byteTokenizer, emptyBatch, type Tokenizer } from '@spectra/data';
import { expect, it } from 'vitest';
import { ExpertKeywords } from './keywords.ts';

/** One row of text; `experts` names the two experts of each byte as digits, the first with gate 0.6. */
function keywordsOf(
  text: string,
  first: string,
  second: string,
  experts: number,
  tokenizer: Tokenizer = byteTokenizer(),
): string[][] {
  const tokens = emptyBatch(1, text.length + 2); // two bytes of padding
  tokens.inputIds.set(byteTokenizer().encode(text));
  tokens.documents.fill(0, 0, text.length);
  const indices = new Int32Array(2 * tokens.length).fill(-1);
  const weights = new Float32Array(2 * tokens.length);
  for (let i = 0; i < text.length; i++) {
    indices.set([Number(first[i]), Number(second[i])], 2 * i);
    weights.set([0.6, 0.4], 2 * i);
  }
  const keywords = new ExpertKeywords(experts, tokenizer);
  keywords.add(
    { domain: 0, tokens },
    { indices, slots: 2, weights, probabilities: undefined, expertVectors: undefined },
  );
  return keywords.list();
}

const times = (n: number, text: string): string => text.repeat(n);

it('counts a word for the expert with most of its gates, not for that of its last byte', () => {
  // "sail" has expert 0 on three bytes and 1 on the last; expert 1 ends every word but leads none
  const text = times(3, 'sail oars mast ');
  const [words] = keywordsOf(text, times(9, '00013').slice(0, text.length), times(text.length, '2'), 4);
  expect(words).toEqual(['mast', 'oars', 'sail']);
});

it('adds up all gates of a word', () => {
  // of "ropes" 1 is first on three bytes, 1.8, and 0 on two and second on three, 2.4
  const text = times(3, 'ropes knots decks ');
  const lists = keywordsOf(text, times(9, '001113'), times(9, '220003'), 4);
  expect(lists[0]).toEqual(['decks', 'knots', 'ropes']);
  expect(lists[1]).toEqual([]);
});

it('lists the signs of an expert that leads fewer than three words, blanks as signs', () => {
  const text = times(4, 'at 12\n');
  const [letters, blanks, digits] = keywordsOf(text, times(4, '001221'), times(24, '3'), 4);
  expect(letters).toEqual([]); // "at" is a function word, and expert 0 serves nothing but letters
  expect(blanks).toEqual(['↵', '␣']);
  expect(digits).toEqual(['1', '2']);
});

it('does not list what an expert met less than three times', () => {
  expect(keywordsOf('keel 1', '000011', '222222', 3)).toEqual([[], [], []]);
});

it('takes special tokens for neither words nor signs, and no word across them', () => {
  const marked = (special: string): Tokenizer => ({
    ...byteTokenizer(),
    special: new Set([...special].map(mark => mark.charCodeAt(0))),
  });
  const text = times(3, 'keelBsailBoars?');
  const lists = (special: string) => keywordsOf(text, times(45, '0'), times(45, '1'), 2, marked(special));
  expect(lists('B?')[0]!.sort()).toEqual(['keel', 'oars', 'sail']);
  // one word only, so signs are listed: none, or the question mark
  expect(lists('?')[0]).toEqual([]);
  expect(lists('')[0]).toEqual(['?']);
});
