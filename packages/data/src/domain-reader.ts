/**
 * The endless shuffled token stream of one domain. Documents are shuffled inside blocks of consecutive ones, so memory
 * holds one block however large the corpus is, and four numbers say exactly where the stream stands.
 */
import { type Rng, SpectraError } from '@spectra/tensor';
import { type Batch, packPairs, type Tokens } from './batch.ts';
import type { Corpus, TextDocument } from './document.ts';
import { isHeldOut } from './split.ts';
import { encodeDocument, type Tokenizer } from './tokenizer/tokenizer.ts';

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
  readonly tokens: (Tokens | undefined)[];
  order: Int32Array;
}

/** A block ends after this many UTF-16 units even if it has few documents. */
const BLOCK_UNITS = 8 << 20;

/** The documents of a domain's corpora, one after another, with ids that are unique in the domain. */
export async function* domainDocuments(corpora: readonly Corpus[]): AsyncIterable<TextDocument> {
  for (const corpus of corpora) {
    for await (const { id, text } of corpus.documents()) yield { id: `${corpus.name}/${id}`, text };
  }
}

/** A document's tokens in compact form. */
export function tokensOf(tokenizer: Tokenizer, text: string): Tokens {
  const ids = encodeDocument(tokenizer, text);
  return tokenizer.vocabSize <= 0x10000 ? new Uint16Array(ids) : new Int32Array(ids);
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

  /** Fills one row of a batch with the next pairs; a document that does not fit goes on in this domain's next row. */
  async fillRow(batch: Batch, row: number): Promise<void> {
    for (let filled = 0, document = 0; filled < batch.length; document++) {
      const tokens = this.#currentTokens() ?? (await this.#findTokens());
      const { offset } = this.#position;
      const left = tokens.length - 1 - offset;
      const count = Math.min(batch.length - filled, left);
      packPairs(batch, row, filled, tokens, offset, count, document);
      filled += count;
      if (count === left) this.#nextDocument();
      else this.#position = { ...this.#position, offset: offset + count };
    }
  }

  #nextDocument(): void {
    this.#position = { ...this.#position, document: this.#position.document + 1, offset: 0 };
  }

  /** The tokens of the document the position is in; undefined if it is past the block's end. */
  #currentTokens(): Tokens | undefined {
    const block = this.#block;
    if (block === undefined) return undefined;
    for (; this.#position.document < block.order.length; this.#nextDocument()) {
      const index = block.order[this.#position.document]!;
      const tokens = (block.tokens[index] ??= tokensOf(
        this.#options.tokenizer,
        block.documents[index]!.text,
      ));
      if (tokens.length >= 2) return tokens; // a single token has no target
    }
    return undefined;
  }

  async #findTokens(): Promise<Tokens> {
    const { epoch } = this.#position;
    for (;;) {
      if (this.#block === undefined) await this.#loadBlock(this.#position.block);
      else await this.#nextBlock(this.#block);
      const tokens = this.#currentTokens();
      if (tokens !== undefined) return tokens;
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
    this.#block = { start, end: this.#taken, last, documents, tokens: [], order };
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
      message: 'it has no document of two tokens or more to train on.',
      where: `data domain "${this.#options.domain}"`,
      fix: 'Check the paths and limits of its corpora, or hold out a smaller share.',
    });
  }
}
