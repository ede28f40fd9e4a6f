/** `tokenizer.json` files of Hugging Face models. */
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { SpectraError } from '@spectra/tensor';
import { byteCharacters } from './byte-characters.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface JsonTokenizer extends Tokenizer {
  /**
   * Bytes that a byte-level vocabulary has no token for: encoding drops them silently, so texts with them do not come
   * back (21 control and never-valid bytes in SmolLM2). Empty for other kinds of tokenizer.
   */
  readonly droppedBytes: readonly number[];
  /** The id of a token as it is written in the vocabulary, special ones included. */
  idOf(token: string): number | undefined;
}

export interface JsonTokenizerOptions {
  /** The token that ends documents; by default the `eos_token` of the config. */
  readonly eos?: string;
  readonly name?: string;
}

interface TokenizerJson {
  readonly model?: {
    readonly vocab?: Readonly<Record<string, number>> | readonly (readonly [string, number])[];
  };
  readonly added_tokens?: readonly {
    readonly id: number;
    readonly content: string;
    readonly special?: boolean;
  }[];
  readonly decoder?: unknown;
}

/**
 * From the parsed `tokenizer.json` and, if there is one, `tokenizer_config.json`. Its `bos` is the `bos_token` of the
 * config where its post-processor begins every text with that: of Llama, Mistral and Gemma, not of GPT-2, Qwen and SmolLM2,
 * which name one and do not write it. `TOKENIZER_INVALID` if it cannot be
 * used, or if its end token is not in the vocabulary.
 */
export function jsonTokenizer(
  tokenizer: object,
  config: object = {},
  options: JsonTokenizerOptions = {},
): JsonTokenizer {
  const where = options.name ?? 'tokenizer.json';
  const ids = vocabulary(tokenizer as TokenizerJson, where);
  let inner: HuggingFaceTokenizer;
  try {
    inner = new HuggingFaceTokenizer(tokenizer, config);
  } catch (cause) {
    throw invalid(`it cannot be used: ${(cause as Error).message}`, where, cause);
  }
  const end = options.eos ?? tokenText((config as { eos_token?: unknown }).eos_token);
  const eos = end === undefined ? undefined : ids.get(end);
  if (end !== undefined && eos === undefined) throw invalid(`its end token "${end}" is not in it.`, where);
  const begin = tokenText((config as { bos_token?: unknown }).bos_token);
  const [first] = inner.encode('', { add_special_tokens: true }).ids;
  const bos = begin !== undefined && first === ids.get(begin) ? first : undefined;
  let vocabSize = 0;
  for (const id of ids.values()) vocabSize = Math.max(vocabSize, id + 1);
  return {
    name: where,
    vocabSize,
    bos,
    eos,
    special: new Set(
      ((tokenizer as TokenizerJson).added_tokens ?? []).flatMap(({ id, special }) => (special ? [id] : [])),
    ),
    droppedBytes: isByteLevel(tokenizer as TokenizerJson)
      ? byteCharacters().flatMap((c, byte) => (ids.has(c) ? [] : byte))
      : [],
    idOf: token => ids.get(token),
    encode: text => (text === '' ? [] : inner.encode(text, { add_special_tokens: false }).ids),
    // the library throws on an empty list
    decode: (list, { skipSpecial = false } = {}) =>
      list.length === 0
        ? ''
        : inner.decode(Array.from(list), {
            skip_special_tokens: skipSpecial,
            clean_up_tokenization_spaces: false,
          }),
  };
}

function vocabulary({ model, added_tokens: added }: TokenizerJson, where: string): Map<string, number> {
  const vocab = model?.vocab;
  if (vocab === undefined || vocab === null) throw invalid('it has no model.vocab.', where);
  const ids = Array.isArray(vocab)
    ? new Map(vocab.map(([token], id) => [String(token), id] as const)) // Unigram: [token, score] in order
    : new Map(Object.entries(vocab as Readonly<Record<string, number>>));
  for (const { id, content } of added ?? []) ids.set(content, id);
  return ids;
}

function tokenText(token: unknown): string | undefined {
  if (typeof token === 'string') return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

function isByteLevel(tokenizer: TokenizerJson): boolean {
  return JSON.stringify(tokenizer.decoder ?? null).includes('"ByteLevel"');
}

function invalid(message: string, where: string, cause?: unknown): SpectraError {
  return new SpectraError('TOKENIZER_INVALID', {
    message,
    where,
    fix: 'Give the tokenizer.json of a model on the Hugging Face hub.',
    ...(cause === undefined ? {} : { cause }),
  });
}
