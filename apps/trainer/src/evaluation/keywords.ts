/** The words that each expert of one layer ends, by TF-IDF over experts. */

import type { Tokenizer } from '@spectra/data';
import { ENGLISH_FUNCTION_WORDS, type fromRouting, joinTokens, KeywordAccumulator } from '@spectra/monitor';
import type { HeldOutBatch } from './evaluate.ts';
import { tokenTexts } from './sample.ts';

const LETTER = /\p{L}/u;
const KEYWORDS = 8;
const LEAST_COUNT = 3;

export class ExpertKeywords {
  private readonly words: KeywordAccumulator;
  private readonly tokenizer: Tokenizer;

  constructor(experts: number, tokenizer: Tokenizer) {
    this.words = new KeywordAccumulator(experts);
    this.tokenizer = tokenizer;
  }

  /**
   * Counts the words of a batch for the first expert of their last token: there the router has read the whole word,
   * while with a byte tokenizer nearly every expert serves some byte of it.
   */
  add({ tokens }: HeldOutBatch, { indices, slots }: Awaited<ReturnType<typeof fromRouting>>): void {
    for (let row = 0; row < tokens.batch; row++) {
      const from = row * tokens.length;
      const live = tokens.documents.subarray(from, from + tokens.length).filter(d => d >= 0).length;
      if (live === 0) continue;
      const pieces = tokenTexts([...tokens.inputIds.subarray(from, from + live)], this.tokenizer);
      const mask = Float32Array.from(pieces, (piece, i) => (endsWord(piece, pieces[i + 1]) ? 1 : 0));
      const first = Int32Array.from({ length: live }, (_, i) => indices[(from + i) * slots]!);
      this.words.addText(joinTokens(pieces), { indices: first, slots: 1, mask });
    }
  }

  /** Per expert its keywords, the most telling first. */
  list(): string[][] {
    const found = this.words.keywords({
      top: KEYWORDS,
      minimumCount: LEAST_COUNT,
      exclude: ENGLISH_FUNCTION_WORDS,
    });
    return found.map(words => words.map(({ word }) => word).filter(word => word.length > 1));
  }
}

function endsWord(piece: string, next: string | undefined): boolean {
  return LETTER.test(piece.at(-1) ?? '') && !LETTER.test(next?.[0] ?? ' ');
}
