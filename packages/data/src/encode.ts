/** Documents as tokens, and which of these are to be learned. */
import { SpectraError } from '@spectra/tensor';
import type { Tokens } from './batch.ts';
import type { TextDocument } from './document.ts';
import { encodeDocument, type Tokenizer, withBos } from './tokenizer/tokenizer.ts';

export interface EncodedDocument {
  readonly tokens: Tokens;
  /** 1 for a token that is to be learned; all of them where not given. */
  readonly learned?: Uint8Array;
}

/**
 * A document's tokens in compact form, begun as the tokenizer begins texts; of one with `answers`, only what lies in these
 * is to be learned.
 */
export function encodeText(tokenizer: Tokenizer, document: TextDocument): EncodedDocument {
  const { text, answers, endMark = true } = document;
  if (answers === undefined) return { tokens: compact(tokenizer, encodeDocument(tokenizer, text)) };
  const bounds = [0, ...answers.flat(), text.length];
  // every other part is an answer
  const parts = bounds.slice(1).map((end, i) => tokenizer.encode(text.slice(bounds[i], end)));
  const counts = partCounts(tokenizer, document, bounds, parts);
  const ids = counts.ids;
  const learned: number[] = [];
  let at = 0;
  for (const [i, end] of counts.ends.entries()) {
    const isAnswer = i % 2 === 1;
    const until = isAnswer ? learnedEnd(tokenizer, ids, at, end) : at;
    for (; at < end; at++) learned.push(at < until ? 1 : 0);
  }
  if (endMark && tokenizer.eos !== undefined) {
    ids.push(tokenizer.eos);
    learned.push(answers.at(-1)?.[1] === text.length ? 1 : 0);
  }
  const begun = withBos(tokenizer, ids);
  if (begun.length > ids.length) learned.unshift(0);
  return { tokens: compact(tokenizer, begun), learned: Uint8Array.from(learned) };
}

/**
 * The whole text's ids with the number of them before each bound but the first. Where a token of the whole text would
 * reach over a bound, the parts are encoded apart, as decoding meets them: its prompt ends at the bound.
 */
function partCounts(
  tokenizer: Tokenizer,
  { id, text, where }: TextDocument,
  bounds: readonly number[],
  parts: readonly (readonly number[])[],
): { ids: number[]; ends: number[] } {
  const whole = tokenizer.encode(text);
  const joined = parts.flat();
  let sum = 0;
  const joinedEnds = parts.map(part => {
    sum += part.length;
    return sum;
  });
  if (sameIds(whole, joined)) return { ids: joined, ends: joinedEnds };
  const prefixes = bounds.slice(1).map(end => tokenizer.encode(text.slice(0, end)));
  if (prefixes.every(prefix => sameIds(prefix, whole.slice(0, prefix.length))))
    return { ids: whole, ends: prefixes.map(({ length }) => length) };
  if (tokenizer.decode(joined) === tokenizer.decode(whole)) return { ids: joined, ends: joinedEnds };
  throw new SpectraError('TOKENIZER_INVALID', {
    message: `the tokens of ${tokenizer.name} do not tell where an answer of this conversation begins and ends.`,
    where: where ?? `conversation ${id}`,
    fix: 'Leave the conversation out, or use a tokenizer that writes a text as it writes its parts, such as a byte-level one.',
  });
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Templates write a line break behind the mark that ends an answer: decoding stops at the mark, so that is the end. */
function learnedEnd(tokenizer: Tokenizer, ids: readonly number[], begin: number, end: number): number {
  for (let last = end; last > begin; last--) {
    if (!tokenizer.special?.has(ids[last - 1]!)) continue;
    return tokenizer.decode(ids.slice(last, end)).trim() === '' ? last : end;
  }
  return end;
}

function compact(tokenizer: Tokenizer, ids: readonly number[]): Tokens {
  return tokenizer.vocabSize <= 0x10000 ? new Uint16Array(ids) : new Int32Array(ids);
}

/**
 * What fits a row: a conversation is cut behind its first `length` pairs; undefined if there is nothing to learn in them,
 * as in a document of a single token. Other documents go on in the next row.
 */
export function fitRow(encoded: EncodedDocument, length: number): EncodedDocument | undefined {
  const { tokens, learned } = encoded;
  if (learned === undefined) return tokens.length < 2 ? undefined : encoded;
  const kept = learned.subarray(0, length + 1);
  return kept.indexOf(1, 1) < 0 ? undefined : { tokens: tokens.subarray(0, length + 1), learned: kept };
}
