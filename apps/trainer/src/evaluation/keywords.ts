/** What each expert of one layer reads: its words by TF-IDF over experts, or its signs where it has next to no words. */

import type { Tokenizer } from '@spectra/data';
import {
  ENGLISH_FUNCTION_WORDS,
  forEachWord,
  joinTokens,
  KeywordAccumulator,
  type RoutingObservation,
} from '@spectra/monitor';
import type { HeldOutBatch } from './evaluate.ts';
import { tokenTexts } from './sample.ts';

const LETTER = /\p{L}/u;
const KEYWORDS = 8;
const LEAST_COUNT = 3;
/** With fewer words than this an expert's signs are listed instead. */
const LEAST_WORDS = 3;
const BLANKS: Readonly<Record<string, string>> = { ' ': '␣', '\n': '↵', '\t': '⇥' };

export class ExpertKeywords {
  private readonly words: KeywordAccumulator;
  private readonly signs: KeywordAccumulator;
  private readonly tokenizer: Tokenizer;
  private readonly experts: number;

  constructor(experts: number, tokenizer: Tokenizer) {
    this.words = new KeywordAccumulator(experts);
    this.signs = new KeywordAccumulator(experts);
    this.tokenizer = tokenizer;
    this.experts = experts;
  }

  /**
   * Counts each word of a batch once, for the expert whose gates over the word's tokens sum to most: with a byte
   * tokenizer nearly every expert serves some byte of it. Tokens without a letter count for their first expert; special
   * tokens, such as those that begin documents, are neither words nor signs.
   */
  add({ tokens }: HeldOutBatch, { indices, slots, weights }: RoutingObservation): void {
    for (let row = 0; row < tokens.batch; row++) {
      const from = row * tokens.length;
      const live = tokens.documents.subarray(from, from + tokens.length).filter(d => d >= 0).length;
      if (live === 0) continue;
      const ids = [...tokens.inputIds.subarray(from, from + live)];
      const isSpecial = (i: number): boolean => this.tokenizer.special?.has(ids[i]!) ?? false;
      const pieces = tokenTexts(ids, this.tokenizer).map((piece, i) => (isSpecial(i) ? '\n' : piece));
      forEachWord(joinTokens(pieces), (word, first, last) => {
        const gates = new Float64Array(this.experts);
        for (let slot = (from + first) * slots; slot < (from + last + 1) * slots; slot++) {
          const expert = indices[slot]!;
          if (expert >= 0) gates[expert]! += weights?.[slot] ?? 1;
        }
        const most = Math.max(...gates);
        if (most > 0) this.words.add(word, gates.indexOf(most));
      });
      for (const [i, piece] of pieces.entries()) {
        if (isSpecial(i)) continue;
        const expert = indices[(from + i) * slots]!;
        if (expert >= 0 && piece !== '' && !LETTER.test(piece))
          this.signs.add(BLANKS[piece] ?? piece, expert);
      }
    }
  }

  /** Per expert what tells it apart, the most telling first. */
  list(): string[][] {
    const options = { top: KEYWORDS, minimumCount: LEAST_COUNT };
    const signs = this.signs.keywords(options);
    return this.words
      .keywords({ ...options, exclude: ENGLISH_FUNCTION_WORDS })
      .map(words => words.map(({ word }) => word).filter(word => word.length > 1))
      .map((words, expert) => (words.length < LEAST_WORDS ? signs[expert]!.map(({ word }) => word) : words));
  }
}
