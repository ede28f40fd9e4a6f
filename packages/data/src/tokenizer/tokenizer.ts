/** What the data pipeline and generation need of a tokenizer. */

export interface Tokenizer {
  /** Part of a cursor's fingerprint. */
  readonly name: string;
  /** Ids are in [0, vocabSize). */
  readonly vocabSize: number;
  /** The id that the tokenizer itself puts in front of every text; none by default. */
  readonly bos?: number | undefined;
  /** The id that ends a document; none: documents end without a mark. */
  readonly eos: number | undefined;
  /** Ids that are marks, not text; none by default. */
  readonly special?: ReadonlySet<number>;
  /** The text's ids, nothing added before or after. */
  encode(text: string): number[];
  /** The text of ids; incomplete UTF-8 gives U+FFFD. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
}

export interface DecodeOptions {
  /** Leaves out special tokens (end marks, chat markup), which are otherwise written as in the vocabulary. */
  readonly skipSpecial?: boolean;
}

/** Ids of a text's beginning behind `bos`, where the tokenizer has one and they do not begin with it already. */
export function withBos({ bos }: Tokenizer, ids: number[]): number[] {
  return bos === undefined || ids[0] === bos ? ids : [bos, ...ids];
}

/** A prompt's ids: those of its text, begun as the tokenizer begins texts. */
export function encodePrompt(tokenizer: Tokenizer, text: string): number[] {
  return withBos(tokenizer, tokenizer.encode(text));
}

/** A document's ids: a prompt's and, if there is one, the end mark. */
export function encodeDocument(tokenizer: Tokenizer, text: string): number[] {
  const ids = encodePrompt(tokenizer, text);
  if (tokenizer.eos !== undefined) ids.push(tokenizer.eos);
  return ids;
}
