import { describe, expect, it } from 'vitest';
import { ENGLISH_FUNCTION_WORDS, KeywordAccumulator } from './keywords.ts';
import { tfidf } from './tfidf.ts';
import { decodeBytes, forEachWord, joinTokens } from './words.ts';

describe('words', () => {
  const words = (text: string) => {
    const found: [string, number, number][] = [];
    forEachWord(joinTokens([...text]), (word, first, last) => found.push([word, first, last]));
    return found;
  };

  it('are letters with marks, joined by apostrophes and hyphens', () => {
    expect(words("It's a co-op, Zoë!").map(([word]) => word)).toEqual(["it's", 'a', 'co-op', 'zoë']);
    expect(words('x2 = 40')).toEqual([['x', 0, 0]]);
  });

  it('know the tokens that touch them', () => {
    const found: unknown[] = [];
    forEachWord(joinTokens(['The c', 'at', ' sat', '', ' on']), (...word) => found.push(word));
    expect(found).toEqual([
      ['the', 0, 0],
      ['cat', 0, 1],
      ['sat', 2, 2],
      ['on', 4, 4],
    ]);
  });

  it('come out of bytes too, characters of several bytes whole and stray bytes as U+FFFD', () => {
    const bytes = Uint8Array.of(...new TextEncoder().encode('aé🙂b'), 0xff, 0xe2, 0x82);
    const { text, starts, ends } = decodeBytes(bytes);
    expect(text).toBe('aé🙂b\uFFFD\uFFFD\uFFFD');
    expect([...starts]).toEqual([0, 1, 1, 2, 2, 2, 2, 4, 5, 6, 7]);
    expect([...ends]).toEqual([1, 2, 2, 4, 4, 4, 4, 5, 6, 7, 8]);
    const found: unknown[] = [];
    forEachWord(decodeBytes(new TextEncoder().encode('né à')), (...word) => found.push(word));
    expect(found).toEqual([
      ['né', 0, 2],
      ['à', 4, 5],
    ]);
  });
});

describe('KeywordAccumulator', () => {
  it('weighs words as TF-IDF of the dense counts does', () => {
    const vocabulary = ['alpha', 'beta', 'gamma'];
    const counts = [3, 1, 0, 0, 2, 5];
    const accumulator = new KeywordAccumulator(2);
    for (const [i, n] of counts.entries())
      if (n > 0) accumulator.add(vocabulary[i % 3]!, Math.floor(i / 3), n);
    const weights = tfidf(counts, 2);
    for (const [e, keywords] of accumulator.keywords().entries()) {
      for (const { word, weight, count } of keywords) {
        const at = e * 3 + vocabulary.indexOf(word);
        expect(weight).toBeCloseTo(weights[at]!, 14);
        expect(count).toBe(counts[at]);
      }
    }
  });

  it('credits a word once to each expert that served one of its tokens', () => {
    const accumulator = new KeywordAccumulator(3);
    const bytes = new TextEncoder().encode('ab cd');
    // a → 0, b → 1, space → 2, c → 0 and 1, d → padding
    const indices = Int32Array.of(0, -1, 1, -1, 2, -1, 0, 1, 2, -1);
    accumulator.addText(decodeBytes(bytes), { indices, slots: 2, mask: [1, 1, 1, 1, 0] });
    expect(accumulator.keywords().map(list => list.map(({ word, count }) => `${word}${count}`))).toEqual([
      ['ab1', 'cd1'],
      ['ab1', 'cd1'],
      [],
    ]);
  });

  it('lists what is asked for', () => {
    const accumulator = new KeywordAccumulator(2);
    accumulator.add('the', 0, 90);
    accumulator.add('the', 1, 80);
    accumulator.add('orbit', 0, 7);
    accumulator.add('comet', 0, 1);
    const options = { exclude: ENGLISH_FUNCTION_WORDS, minimumCount: 2, top: 5 };
    expect(accumulator.keywords(options)[0]!.map(k => k.word)).toEqual(['orbit']);
    expect(accumulator.keywords({ top: 1 })[0]!.map(k => k.word)).toEqual(['the']);
    expect(() => accumulator.add('x', 2)).toThrow(/expert 2/);
  });

  it('reads a text that starts inside a batch', () => {
    const accumulator = new KeywordAccumulator(2);
    const assignment = { indices: Int32Array.of(0, 0, 1, 1), slots: 1 };
    accumulator.addText(joinTokens(['new', ' york']), assignment, 2);
    expect(accumulator.keywords().map(list => list.length)).toEqual([0, 2]);
    expect(() => accumulator.addText(joinTokens(['a', 'b']), assignment, 3)).toThrow(/of 4/);
  });
});
