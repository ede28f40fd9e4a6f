/** From tokens to whole words, so that keywords are readable also with byte-level tokenizers. */
import { checkValue } from '@spectra/tensor';
import { checkLength } from './assignment.ts';

/** Letters with marks, joined by apostrophes or hyphens; digits make no word. */
const WORD = /\p{L}[\p{L}\p{M}]*(?:['’-]\p{L}[\p{L}\p{M}]*)*/gu;

/** A text and where its tokens lie in it, in UTF-16 units: token i is [starts[i], ends[i]). */
export interface TokenizedText {
  readonly text: string;
  /** [tokens], never falling. */
  readonly starts: Int32Array;
  /** [tokens], never falling. The tokens of one character all have its place. */
  readonly ends: Int32Array;
}

/** The text of decoded tokens in order. */
export function joinTokens(pieces: readonly string[]): TokenizedText {
  const starts = new Int32Array(pieces.length);
  const ends = new Int32Array(pieces.length);
  let length = 0;
  for (const [i, piece] of pieces.entries()) {
    starts[i] = length;
    ends[i] = length += piece.length;
  }
  return { text: pieces.join(''), starts, ends };
}

/** How many bytes the UTF-8 sequence starting with `byte` has; 1 for a stray byte. */
const sequenceLength = (byte: number): number =>
  byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;

/** The text of byte tokens; bytes that are no UTF-8 become U+FFFD, one each. */
export function decodeBytes(bytes: Uint8Array): TokenizedText {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const starts = new Int32Array(bytes.length);
  const ends = new Int32Array(bytes.length);
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    let length = sequenceLength(bytes[i]!);
    let character: string;
    try {
      character = decoder.decode(bytes.subarray(i, i + length));
    } catch {
      length = 1;
      character = '\uFFFD';
    }
    starts.fill(text.length, i, i + length);
    text += character;
    ends.fill(text.length, i, i + length);
    i += length;
  }
  return { text, starts, ends };
}

/** Calls `visit(word, firstToken, lastToken)` for every word, lower case, with the tokens that touch it. */
export function forEachWord(
  { text, starts, ends }: TokenizedText,
  visit: (word: string, first: number, last: number) => void,
): void {
  const where = 'forEachWord';
  const tokens = starts.length;
  checkLength(ends, tokens, 'ends', where);
  checkValue(
    (ends.at(-1) ?? 0) === text.length,
    `the last token ends at ${ends.at(-1)}, the text at ${text.length}.`,
    where,
  );
  let first = 0;
  for (const match of text.matchAll(WORD)) {
    const end = match.index + match[0].length;
    while (first < tokens && ends[first]! <= match.index) first++;
    let last = first;
    while (last + 1 < tokens && starts[last + 1]! < end) last++;
    visit(match[0].toLowerCase(), first, last);
  }
}
