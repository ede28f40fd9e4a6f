/** Training batches of all domains, mixed, endless and resumable to the token. */
import { Rng, type RngState, SpectraError } from '@spectra/tensor';
import { type Batch, emptyBatch } from './batch.ts';
import type { DomainPosition, DomainReader } from './domain-reader.ts';

/** Everything a stream is; plain JSON for checkpoints. */
export interface StreamCursor {
  readonly version: 1;
  /** Of the configuration and corpora; another one cannot be resumed. */
  readonly fingerprint: string;
  /** Rows produced so far. */
  readonly rows: number;
  readonly mixing: RngState;
  readonly domains: Readonly<Record<string, DomainPosition>>;
}

export interface StreamParts {
  readonly batch: number;
  readonly length: number;
  readonly fingerprint: string;
  readonly probabilities: readonly number[];
  readonly domains: readonly string[];
  readonly seed: Rng;
  readonly reader: (domain: number, position: DomainPosition | undefined) => DomainReader;
}

/**
 * Row by row, a domain is drawn and its reader fills the row. Cursors count rows, so a run may resume with another
 * batch size or number of workers; `take(n)` gives a step's n micro-batches in order, whoever computes them.
 */
export class TrainStream {
  readonly #parts: StreamParts;
  readonly #readers: readonly DomainReader[];
  readonly #mixing: Rng;
  #rows: number;
  #cursor: StreamCursor;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: StreamParts, cursor?: StreamCursor) {
    if (cursor !== undefined) checkCursor(cursor, parts.fingerprint);
    this.#parts = parts;
    this.#readers = parts.domains.map((name, i) => parts.reader(i, cursor?.domains[name]));
    this.#mixing = cursor === undefined ? parts.seed.split('mixing') : new Rng(cursor.mixing);
    this.#rows = cursor?.rows ?? 0;
    this.#cursor = this.#snapshot();
  }

  /** The next batch. Calls that overlap are served in the order they were made. */
  next(): Promise<Batch> {
    const next = this.#queue.then(() => this.#produce());
    this.#queue = next.catch(() => undefined);
    return next;
  }

  /** The next `count` batches. */
  async take(count: number): Promise<Batch[]> {
    const batches: Batch[] = [];
    for (let i = 0; i < count; i++) batches.push(await this.next());
    return batches;
  }

  /** Where the stream stands after the last batch that was finished. */
  cursor(): StreamCursor {
    return this.#cursor;
  }

  /** Reads ahead what `epochs` needs on a stream that was opened at a cursor. */
  async ready(): Promise<void> {
    for (const reader of this.#readers) await reader.ready();
  }

  /**
   * Passes over each domain's training text so far; whole numbers for corpora of more than one shuffle block, and,
   * after a cursor, for those not read yet: see `ready`.
   */
  epochs(): Record<string, number> {
    return Object.fromEntries(this.#parts.domains.map((name, i) => [name, this.#readers[i]!.epochs()]));
  }

  async #produce(): Promise<Batch> {
    const batch = emptyBatch(this.#parts.batch, this.#parts.length);
    for (let row = 0; row < batch.batch; row++) {
      const domain = this.#mixing.choice(this.#parts.probabilities);
      await this.#readers[domain]!.fillRow(batch, row);
      batch.domains[row] = domain;
      this.#rows++;
    }
    this.#cursor = this.#snapshot();
    return batch;
  }

  #snapshot(): StreamCursor {
    const positions = this.#parts.domains.map((name, i) => [name, this.#readers[i]!.position()] as const);
    return {
      version: 1,
      fingerprint: this.#parts.fingerprint,
      rows: this.#rows,
      mixing: this.#mixing.state(),
      domains: Object.fromEntries(positions),
    };
  }
}

function checkCursor(cursor: StreamCursor, fingerprint: string): void {
  if (cursor.version === 1 && cursor.fingerprint === fingerprint) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message:
      'the cursor belongs to other data: corpora, tokenizer, length, split, shuffling, mixing or seed changed.',
    where: 'data',
    fix: 'Resume with the configuration and corpora of the run, or start a new run.',
  });
}
