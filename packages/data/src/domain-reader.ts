/**
 * The endless shuffled token stream of one domain. Documents are shuffled inside blocks of consecutive ones, so memory
 * holds one block however large the corpus is, and four numbers say exactly where the stream stands.
 */
import { type Rng, SpectraError } from '@spectra/tensor';
import { type Batch, packPairs } from './batch.ts';
import type { Corpus, TextDocument } from './document.ts';
import { type EncodedDocument, encodeText, fitRow } from './encode.ts';
import { isHeldOut } from './split.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

/** Where a domain's stream stands; plain JSON. */
export interface DomainPosition {
  /** Passes over the corpus begun before this one. */
  readonly epoch: number;
  /** Number in the corpus of the block's first document, held-out ones counted. */
  readonly block: number;
  /** Documents of the shuffled block that are used up. */
  readonly document: number;
  /** Pairs of the next one that are used up. */
  readonly offset: number;
}

export interface ReaderOptions {
  readonly domain: string;
  readonly corpora: readonly Corpus[];
  readonly tokenizer: Tokenizer;
  /** Tokens of a row. */
  readonly length: number;
  readonly heldOut: number;
  readonly splitSeed: number;
  /** Training documents in a block; 1 keeps the corpus's order. */
  readonly shuffle: number;
  readonly rng: Rng;
}

interface Block {
  readonly start: number;
  readonly end: number;
  /** Whether the corpus ends with it. */
  readonly last: boolean;
  readonly documents: readonly TextDocument[];
  /** Filled as documents are first used. */
  readonly encoded: (EncodedDocument | 'nothing' | undefined)[];
  order: Int32Array;
}

/** A block ends after this many UTF-16 units even if it has few documents. */
const BLOCK_UNITS = 8 << 20;

/** The documents of a domain's corpora, one after another, with the ids that decide whether they are held out. */
export async function* domainDocuments(corpora: readonly Corpus[]): AsyncIterable<TextDocument> {
  for (const corpus of corpora) {
    for await (const document of corpus.documents())
      yield { ...document, id: `${corpus.splitName ?? corpus.name}/${document.id}` };
  }
}

export class DomainReader {
  readonly #options: ReaderOptions;
  #position: DomainPosition;
  #block: Block | undefined;
  #source: AsyncIterator<TextDocument> | undefined;
  /** Documents taken from `#source`. */
  #taken = 0;

  constructor(
    options: ReaderOptions,
    position: DomainPosition = { epoch: 0, block: 0, document: 0, offset: 0 },
  ) {
    this.#options = options;
    this.#position = position;
  }

  position(): DomainPosition {
    return this.#position;
  }

  /** Passes over the corpus: whole ones, and the part of the current one if the corpus is a single block. */
  epochs(): number {
    const { epoch, document } = this.#position;
    const block = this.#block;
    const whole = block?.last && block.start === 0 && block.order.length > 0;
    return epoch + (whole ? document / block.order.length : 0);
  }

  /** Reads the block of a position that is not the start. */
  async ready(): Promise<void> {
    const { epoch, block, document } = this.#position;
    if (this.#block === undefined && epoch + block + document > 0) await this.#loadBlock(block);
  }

  /**
   * Fills one row of a batch with the next pairs. A text that does not fit goes on in this domain's next row; a
   * conversation waits for it, and the rest of this row is padding.
   */
  async fillRow(batch: Batch, row: number): Promise<void> {
    for (let filled = 0, document = 0; filled < batch.length; document++) {
      const encoded = this.#current() ?? (await this.#find());
      const { offset } = this.#position;
      const left = encoded.tokens.length - 1 - offset;
      const count = Math.min(batch.length - filled, left);
      if (encoded.learned !== undefined && count < left) return;
      packPairs(batch, row, filled, encoded, offset, count, document);
      filled += count;
      if (count === left) this.#nextDocument();
      else this.#position = { ...this.#position, offset: offset + count };
    }
  }

  #nextDocument(): void {
    this.#position = { ...this.#position, document: this.#position.document + 1, offset: 0 };
  }

  /** The document the position is in, or the next with something to learn; undefined past the block's end. */
  #current(): EncodedDocument | undefined {
    const block = this.#block;
    if (block === undefined) return undefined;
    for (; this.#position.document < block.order.length; this.#nextDocument()) {
      const index = block.order[this.#position.document]!;
      const found = (block.encoded[index] ??= this.#encode(block.documents[index]!));
      if (found !== 'nothing') return found;
    }
    return undefined;
  }

  #encode(document: TextDocument): EncodedDocument | 'nothing' {
    const { tokenizer, length } = this.#options;
    return fitRow(encodeText(tokenizer, document), length) ?? 'nothing';
  }

  async #find(): Promise<EncodedDocument> {
    const { epoch } = this.#position;
    for (;;) {
      if (this.#block === undefined) await this.#loadBlock(this.#position.block);
      else await this.#nextBlock(this.#block);
      const found = this.#current();
      if (found !== undefined) return found;
      if (this.#position.epoch > epoch + 1) throw this.#nothing();
    }
  }

  async #nextBlock(done: Block): Promise<void> {
    const { epoch } = this.#position;
    if (!done.last) {
      this.#position = { epoch, block: done.end, document: 0, offset: 0 };
      await this.#loadBlock(done.end);
      return;
    }
    this.#position = { epoch: epoch + 1, block: 0, document: 0, offset: 0 };
    // the whole corpus is in memory: only the order is new
    if (done.start === 0) done.order = this.#order(0, done.documents.length);
    else await this.#loadBlock(0);
  }

  async #loadBlock(start: number): Promise<void> {
    const { heldOut, splitSeed, shuffle } = this.#options;
    const source = await this.#sourceAt(start);
    const documents: TextDocument[] = [];
    let units = 0;
    let last = false;
    while (documents.length < shuffle && units < BLOCK_UNITS) {
      const { value, done } = await source.next();
      if (done) {
        last = true;
        this.#source = undefined;
        break;
      }
      this.#taken++;
      if (isHeldOut(value.id, heldOut, splitSeed)) continue;
      documents.push(value);
      units += value.text.length;
    }
    const order = this.#order(start, documents.length);
    this.#block = { start, end: this.#taken, last, documents, encoded: [], order };
  }

  #order(start: number, size: number): Int32Array {
    return this.#options.rng.split('epoch', this.#position.epoch).split('block', start).permutation(size);
  }

  /** The documents from number `start` on; resuming reads past the ones before it without tokenizing them. */
  async #sourceAt(start: number): Promise<AsyncIterator<TextDocument>> {
    if (this.#source === undefined || this.#taken !== start) {
      this.#source = domainDocuments(this.#options.corpora)[Symbol.asyncIterator]();
      for (this.#taken = 0; this.#taken < start; this.#taken++) {
        if ((await this.#source.next()).done) throw this.#shrunk(start);
      }
    }
    return this.#source;
  }

  #shrunk(start: number): SpectraError {
    return new SpectraError('CHECKPOINT_MISMATCH', {
      message: `the cursor stands at document ${start}, but the corpus has only ${this.#taken}: it changed.`,
      where: `data domain "${this.#options.domain}"`,
      fix: 'Resume with the corpus of the run, or start a new run.',
    });
  }

  #nothing(): SpectraError {
    return new SpectraError('CORPUS_INVALID', {
      message:
        'it has no document of two tokens or more, or no conversation with an answer within a row, to train on.',
      where: `data domain "${this.#options.domain}"`,
      fix: 'Check the paths and limits of its corpora, hold out a smaller share, or make data.length larger.',
    });
  }
}
