/** Corpora, a tokenizer and a layout: training streams and held-out batches. */
import { checkValue, Rng, SpectraError } from '@spectra/tensor';
import { type Batch, emptyBatch, packPairs } from './batch.ts';
import type { Corpus, TextDocument } from './document.ts';
import { DomainReader, domainDocuments } from './domain-reader.ts';
import { encodeText, fitRow } from './encode.ts';
import { mixingProbabilities } from './mixing.ts';
import { hash32, isHeldOut } from './split.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';
import { type StreamCursor, type StreamParts, TrainStream } from './train-stream.ts';

export interface DatasetOptions {
  /** Corpora of the same domain are read one after another. */
  readonly corpora: readonly Corpus[];
  readonly tokenizer: Tokenizer;
  /** Tokens of a row. */
  readonly length: number;
  /** Rows of a batch. */
  readonly batch: number;
  /** Share of the documents that training never sees, in [0, 1); 0.05 by default. */
  readonly heldOut?: number;
  /** Decides which documents those are; 0 by default, so that runs of all seeds are scored on the same ones. */
  readonly splitSeed?: number;
  /** Training documents that are shuffled together; 4096 by default, 1 keeps the order. */
  readonly shuffle?: number;
  /** Mixing weights by domain; by default bytes^(1/temperature). */
  readonly weights?: Readonly<Record<string, number>>;
  readonly temperature?: number;
  /** Decides order and mixing; 0 by default. */
  readonly seed?: number;
}

export interface Domain {
  readonly name: string;
  readonly corpora: readonly Corpus[];
  readonly bytes: number;
  /** How often a row is of this domain. */
  readonly probability: number;
}

export interface HeldOutOptions {
  /** At most about this many tokens, whole rows, at least one; everything by default. */
  readonly tokens?: number;
  /** Rows of a batch; the dataset's by default. */
  readonly batch?: number;
}

export class Dataset {
  readonly tokenizer: Tokenizer;
  readonly domains: readonly Domain[];
  readonly length: number;
  readonly batch: number;
  readonly #heldOut: number;
  readonly #splitSeed: number;
  readonly #shuffle: number;
  readonly #seed: number;

  constructor(options: DatasetOptions) {
    const { corpora, length, batch } = options;
    checkValue(Number.isInteger(length) && length > 0, `length is ${length}, must be at least 1.`, 'Dataset');
    checkValue(Number.isInteger(batch) && batch > 0, `batch is ${batch}, must be at least 1.`, 'Dataset');
    this.tokenizer = options.tokenizer;
    this.length = length;
    this.batch = batch;
    this.#heldOut = options.heldOut ?? 0.05;
    this.#splitSeed = options.splitSeed ?? 0;
    this.#shuffle = options.shuffle ?? 4096;
    this.#seed = options.seed ?? 0;
    checkValue(
      this.#heldOut >= 0 && this.#heldOut < 1,
      `heldOut is ${this.#heldOut}, must be in [0, 1).`,
      'Dataset',
    );
    checkValue(this.#shuffle >= 1, `shuffle is ${this.#shuffle}, must be at least 1.`, 'Dataset');
    this.domains = domainsOf(corpora, options.weights, options.temperature);
  }

  /** The endless training stream, from its start or from where a cursor of an equal dataset was taken. */
  stream(cursor?: StreamCursor): TrainStream {
    const seed = new Rng(this.#seed).split('data');
    const parts: StreamParts = {
      batch: this.batch,
      length: this.length,
      fingerprint: this.fingerprint(),
      probabilities: this.domains.map(({ probability }) => probability),
      domains: this.domains.map(({ name }) => name),
      seed,
      reader: (i, position) => {
        const { name, corpora } = this.domains[i]!;
        return new DomainReader(
          {
            domain: name,
            corpora,
            tokenizer: this.tokenizer,
            length: this.length,
            heldOut: this.#heldOut,
            splitSeed: this.#splitSeed,
            shuffle: this.#shuffle,
            rng: seed.split(`domain ${name}`),
          },
          position,
        );
      },
    };
    return new TrainStream(parts, cursor);
  }

  /**
   * The held-out documents of a domain, packed in the corpus's order, the same at every call. The last batch may end
   * in padding, and so may rows of conversations, which stay whole. `CORPUS_INVALID` if nothing that is held out in the
   * domain can be scored.
   */
  async *heldOut(domain: string, options: HeldOutOptions = {}): AsyncGenerator<Batch> {
    const domainIndex = this.#indexOf(domain);
    const rows = options.batch ?? this.batch;
    const rowLimit = Math.max(1, Math.floor((options.tokens ?? Number.POSITIVE_INFINITY) / this.length));
    let batch = emptyBatch(rows, this.length);
    let rowsDone = 0;
    let [row, at, document] = [0, 0, 0];
    let documents = 0;
    for await (const text of this.#documents(domain, 'heldOut')) {
      documents++;
      const encoded = fitRow(encodeText(this.tokenizer, text), this.length);
      const pairs = encoded === undefined ? 0 : encoded.tokens.length - 1;
      for (let offset = 0; offset < pairs; ) {
        const count = Math.min(this.length - at, pairs - offset);
        const waits = encoded!.learned !== undefined && count < pairs;
        if (!waits) {
          packPairs(batch, row, at, encoded!, offset, count, document++);
          batch.domains[row] = domainIndex;
          offset += count;
          at += count;
        }
        if (at < this.length && !waits) continue;
        [row, at, document] = [row + 1, 0, 0];
        rowsDone++;
        if (row === rows || rowsDone === rowLimit) yield batch;
        if (rowsDone === rowLimit) return;
        if (row === rows) [batch, row] = [emptyBatch(rows, this.length), 0];
      }
    }
    if (row > 0 || at > 0) yield batch;
    else if (rowsDone === 0) throw nothingHeldOut(domain, documents, this.length);
  }

  /** The texts of one side of the split, in the corpus's order. */
  async *documents(domain: string, split: 'train' | 'heldOut'): AsyncGenerator<string> {
    for await (const { text } of this.#documents(domain, split)) yield text;
  }

  async *#documents(domain: string, split: 'train' | 'heldOut'): AsyncGenerator<TextDocument> {
    const { corpora } = this.domains[this.#indexOf(domain)]!;
    for await (const document of domainDocuments(corpora)) {
      if (isHeldOut(document.id, this.#heldOut, this.#splitSeed) === (split === 'heldOut')) yield document;
    }
  }

  /**
   * How often each token is a target that is to be learned in one pass over one side of the split: [vocabSize]. Reads all
   * of it. The first token of a document is no target, nor is what a row cuts off of a conversation.
   */
  async tokenCounts(domain: string, split: 'train' | 'heldOut'): Promise<Float64Array> {
    const counts = new Float64Array(this.tokenizer.vocabSize);
    for await (const document of this.#documents(domain, split)) {
      const encoded = fitRow(encodeText(this.tokenizer, document), this.length);
      encoded?.tokens.subarray(1).forEach((id, i) => {
        counts[id]! += encoded.learned?.[i + 1] ?? 1;
      });
    }
    return counts;
  }

  /** Changes with everything that decides which tokens a stream gives, the batch size apart. */
  fingerprint(): string {
    const text = JSON.stringify([
      this.length,
      this.#heldOut,
      this.#splitSeed,
      this.#shuffle,
      this.#seed,
      this.tokenizer.name,
      this.tokenizer.vocabSize,
      this.tokenizer.eos ?? null,
      ...(this.tokenizer.bos === undefined ? [] : [this.tokenizer.bos]),
      this.domains.map(({ name, probability, corpora }) => [
        name,
        probability,
        corpora.map(({ name: text, bytes, splitName = [] }) => [text, bytes].concat(splitName)),
      ]),
    ]);
    return [0, 1].map(seed => hash32(text, seed).toString(16).padStart(8, '0')).join('');
  }

  #indexOf(domain: string): number {
    const index = this.domains.findIndex(({ name }) => name === domain);
    const known = this.domains.map(({ name }) => name).join(', ');
    checkValue(index >= 0, `there is no domain "${domain}"; there are ${known}.`, 'Dataset');
    return index;
  }
}

function domainsOf(
  corpora: readonly Corpus[],
  weights: Readonly<Record<string, number>> | undefined,
  temperature: number | undefined,
): Domain[] {
  if (corpora.length === 0) {
    throw new SpectraError('CORPUS_INVALID', { message: 'there is no corpus.', where: 'Dataset' });
  }
  const names = [...new Set(corpora.map(({ domain }) => domain))];
  const domains = names.map(name => {
    const own = corpora.filter(({ domain }) => domain === name);
    return { name, corpora: own, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  const sizes = domains.map(({ name, bytes }) => ({ domain: name, bytes, weight: weights?.[name] }));
  const probabilities = mixingProbabilities(sizes, temperature);
  return domains.map((domain, i) => ({ ...domain, probability: probabilities[i]! }));
}

function nothingHeldOut(domain: string, documents: number, length: number): SpectraError {
  const where = `data domain "${domain}"`;
  if (documents === 0) {
    return new SpectraError('CORPUS_INVALID', {
      message: 'it has no held-out document.',
      where,
      fix: 'Hold out a larger share, or cut its documents into shorter blocks.',
    });
  }
  return new SpectraError('CORPUS_INVALID', {
    message:
      `nothing can be scored in its ${documents} held-out documents: they are texts of one token, or conversations ` +
      `whose answers all lie behind the ${length} tokens of a row.`,
    where,
    fix: 'Make data.length larger, or hold out a larger share.',
  });
}
