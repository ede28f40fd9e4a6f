/** Corpora as streams of documents. */

/** A document, or a block of a long one. Nothing is predicted across documents. */
export interface TextDocument {
  /** Unique in its corpus and the same on every machine: it decides whether the document is held out. */
  readonly id: string;
  readonly text: string;
  /**
   * Of a conversation, what is to be learned: rising, apart from each other. Such a document stays whole, and what is
   * longer than a row is cut off. Of other documents everything is learned.
   */
  readonly answers?: readonly TextSpan[];
  /** Whether the tokenizer's end mark follows; true by default. */
  readonly endMark?: boolean;
  /** File and row, for errors. */
  readonly where?: string;
}

/** Begin and end in UTF-16 units. */
export type TextSpan = readonly [begin: number, end: number];

export interface Corpus {
  /** What mixing weights, held-out losses and expert statistics are reported by. */
  readonly domain: string;
  /** Says exactly which text this is; part of a cursor's fingerprint. */
  readonly name: string;
  /**
   * What ids are put under where held-out documents are chosen; `name` by default. It leaves out what may change between two
   * runs on the same documents, a limit or further files, lest one trains on what the other is scored by.
   */
  readonly splitName?: string;
  /** UTF-8 size of the text; an estimate where only the size of compressed or marked-up files is known. */
  readonly bytes: number;
  /** The same documents in the same order at every call, produced as they are asked for. */
  documents(): AsyncIterable<TextDocument>;
}

/** Documents in memory as a corpus. */
export function memoryCorpus(domain: string, documents: readonly TextDocument[], name = 'memory'): Corpus {
  return {
    domain,
    name,
    bytes: documents.reduce((sum, { text }) => sum + utf8Length(text), 0),
    async *documents() {
      yield* documents;
    },
  };
}

/** Bytes of a string in UTF-8, without encoding it. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) {
      bytes += 2; // two units become four bytes
      i++;
    } else bytes += 2; // also a lone surrogate, encoded as U+FFFD
  }
  return bytes;
}

export function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** The first documents whose texts fit `maxBytes` together; at least one. */
export async function* limitBytes(
  documents: AsyncIterable<TextDocument>,
  maxBytes: number,
): AsyncIterable<TextDocument> {
  let used = 0;
  for await (const document of documents) {
    used += utf8Length(document.text);
    if (used > maxBytes && used > utf8Length(document.text)) return;
    yield document;
  }
}
