/** UTF-8 bytes as tokens: nothing to train, nothing unknown, every text comes back as it was. */
import { SpectraError } from '@spectra/tensor';
import type { Tokenizer } from './tokenizer.ts';

export interface ByteTokenizerOptions {
  /** Adds token 256, which ends every document; false by default. */
  readonly documentEnd?: boolean;
}

/** 256 tokens, or 257 with `documentEnd`; the end mark has no text. */
export function byteTokenizer(options: ByteTokenizerOptions = {}): Tokenizer {
  const eos = options.documentEnd ? 256 : undefined;
  const vocabSize = eos === undefined ? 256 : 257;
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    name: eos === undefined ? 'bytes' : 'bytes+end',
    vocabSize,
    eos,
    encode: text => Array.from(encoder.encode(text)),
    decode(ids) {
      const bytes = new Uint8Array(ids.length);
      let count = 0;
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i]!;
        if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
          throw new SpectraError('VALUE', {
            message: `${id} is no byte token.`,
            where: 'byteTokenizer.decode',
          });
        }
        if (id < 256) bytes[count++] = id;
      }
      return decoder.decode(bytes.subarray(0, count));
    },
  };
}
