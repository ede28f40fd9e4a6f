/** The words that tell experts apart, by TF-IDF with an expert as a document. */
import { checkValue } from '@spectra/tensor';
import { type Assignment, checkAssignment, isToken } from './assignment.ts';
import { smoothIdf } from './tfidf.ts';
import { forEachWord, type TokenizedText } from './words.ts';

export interface Keyword {
  readonly word: string;
  /** TF-IDF in the expert's row of length 1. */
  readonly weight: number;
  /** Times the expert served it. */
  readonly count: number;
}

export interface KeywordOptions {
  /** Keywords per expert; default 10. */
  readonly top?: number;
  /** Words served fewer times by the expert are not listed; default 1. */
  readonly minimumCount?: number;
  /** Words that are not listed (they still count for the row's length). */
  readonly exclude?: ReadonlySet<string>;
}

/** Counts words by expert. Memory is bounded by the vocabulary of words seen. */
export class KeywordAccumulator {
  readonly experts: number;
  readonly #counts: Map<string, number>[];

  constructor(experts: number) {
    checkValue(
      Number.isInteger(experts) && experts > 0,
      `experts must be positive, got ${experts}.`,
      'KeywordAccumulator',
    );
    this.experts = experts;
    this.#counts = Array.from({ length: experts }, () => new Map());
  }

  /** Expert `expert` served `word` `count` times. */
  add(word: string, expert: number, count = 1): void {
    const counts = this.#counts[expert];
    checkValue(
      counts !== undefined,
      `expert ${expert} is outside 0 … ${this.experts - 1}.`,
      'KeywordAccumulator.add',
    );
    counts.set(word, (counts.get(word) ?? 0) + count);
  }

  /**
   * Counts each word of a text once for each expert that served any of its tokens, lower case. Row `firstRow + i` of
   * the assignment is token i of the text; padding and dropped slots serve nothing.
   */
  addText(text: TokenizedText, assignment: Assignment, firstRow = 0): void {
    const where = 'KeywordAccumulator.addText';
    const rows = checkAssignment(assignment, this.experts, where);
    const tokens = text.starts.length;
    checkValue(
      firstRow >= 0 && firstRow + tokens <= rows,
      `${tokens} tokens from row ${firstRow} on, of ${rows}.`,
      where,
    );
    const { indices, slots, mask } = assignment;
    const served = new Set<number>();
    forEachWord(text, (word, first, last) => {
      served.clear();
      for (let t = firstRow + first; t <= firstRow + last; t++) {
        if (!isToken(mask, t)) continue;
        for (let j = 0; j < slots; j++) if (indices[t * slots + j]! >= 0) served.add(indices[t * slots + j]!);
      }
      for (const expert of served) this.add(word, expert);
    });
  }

  /** Per expert its keywords by falling weight, ties by word. */
  keywords(options: KeywordOptions = {}): Keyword[][] {
    const { top = 10, minimumCount = 1, exclude } = options;
    const containing = new Map<string, number>();
    for (const counts of this.#counts) {
      for (const word of counts.keys()) containing.set(word, (containing.get(word) ?? 0) + 1);
    }
    return this.#counts.map(counts => {
      const weighted: Keyword[] = [];
      let squares = 0;
      for (const [word, count] of counts) {
        const weight = count * smoothIdf(this.experts, containing.get(word)!);
        squares += weight * weight;
        if (count >= minimumCount && !exclude?.has(word)) weighted.push({ word, weight, count });
      }
      const scale = 1 / Math.sqrt(squares);
      return weighted
        .sort((a, b) => b.weight - a.weight || (a.word < b.word ? -1 : 1))
        .slice(0, top)
        .map(({ word, weight, count }) => ({ word, weight: weight * scale, count }));
    });
  }
}

/** Frequent English function words, for `exclude`: raw counts let them win over any idf. */
export const ENGLISH_FUNCTION_WORDS: ReadonlySet<string> = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both
  but by can could did do does doing down during each few for from further had has have having he her here hers him his
  how i if in into is it its itself let me more most my no nor not now of off on once only or other our out over own s
  same shall she should so some such t than that the their them then there these they this those through thus to too
  under until up upon us very was we were what when where which while who whom why will with would you your`.split(
    /\s+/,
  ),
);
