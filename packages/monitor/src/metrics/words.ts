/** From tokens to whole words, so that keywords are readable also with byte-level tokenizers. */
import { checkValue } from '@spectra/tensor';

/** Letters with marks, joined by apostrophes or hyphens; digits make no word. */
const WORD = /\p{L}[\p{L}\p{M}]*(?:['’-]\p{L}[\p{L}\p{M}]*)*/gu;

/** A text and where each of its tokens starts in it, in UTF-16 units: token i is [offsets[i], offsets[i+1]). */
export interface TokenizedText {
  readonly text: string;
  /** [tokens + 1] */
  readonly offsets: Int32Array;
}

/** The text of decoded tokens in order. */
export function joinTokens(pieces: readonly string[]): TokenizedText {
  const offsets = new Int32Array(pieces.length + 1);
  for (const [i, piece] of pieces.entries()) offsets[i + 1] = offsets[i]! + piece.length;
  return { text: pieces.join(''), offsets };
}

/** How many bytes the UTF-8 sequence starting with `byte` has; 1 for a stray byte. */
const sequenceLength = (byte: number): number =>
  byte < 0xc2 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : byte < 0xf5 ? 4 : 1;

/** The text of byte tokens; all bytes of a character start where it starts, bytes that are no UTF-8 become U+FFFD. */
export function decodeBytes(bytes: Uint8Array): TokenizedText {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const offsets = new Int32Array(bytes.length + 1);
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
    offsets.fill(text.length, i, i + length);
    text += character;
    i += length;
  }
  offsets[bytes.length] = text.length;
  return { text, offsets };
}

/** Calls `visit(word, firstToken, lastToken)` for every word, lower case, with the tokens that touch it. */
export function forEachWord(
  { text, offsets }: TokenizedText,
  visit: (word: string, first: number, last: number) => void,
): void {
  const tokens = offsets.length - 1;
  checkValue(
    tokens >= 0 && offsets[tokens] === text.length,
    `offsets end at ${offsets[tokens]}, the text at ${text.length}.`,
    'forEachWord',
  );
  let first = 0;
  for (const match of text.matchAll(WORD)) {
    const end = match.index + match[0].length;
    while (first < tokens && offsets[first + 1]! <= match.index) first++;
    let last = first;
    while (last + 1 < tokens && offsets[last + 1]! < end) last++;
    visit(match[0].toLowerCase(), first, last);
  }
}
