/** Metrics as a table that grows on the terminal. */
import { wantsColour } from '../terminal/colour.ts';
import { type Cell, formatTable } from '../terminal/format-table.ts';
import type { MetricRecord, MetricSink } from './sink.ts';

export interface ConsoleStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface ConsoleOptions {
  /** Names of the records' values to show, in this order. */
  readonly columns: readonly string[];
  /** Default: standard error, which leaves standard output to data. */
  readonly stream?: ConsoleStream;
  /** Rows after which the header is repeated; default 20, Infinity for never. */
  readonly headerEvery?: number;
  readonly digits?: number;
}

const WIDTH = 9;

/** One row per record that has at least one of the columns. */
export class ConsoleSink implements MetricSink {
  readonly #columns: readonly string[];
  readonly #stream: ConsoleStream;
  readonly #headerEvery: number;
  readonly #digits: number;
  #rows = 0;

  constructor(options: ConsoleOptions) {
    this.#columns = ['step', ...options.columns];
    this.#stream = options.stream ?? process.stderr;
    this.#headerEvery = options.headerEvery ?? 20;
    this.#digits = options.digits ?? 4;
  }

  write(record: MetricRecord): void {
    const row: Cell[] = this.#columns.map(name => record[name]);
    if (row.slice(1).every(cell => cell === undefined)) return;
    const [header, rule, ...lines] = formatTable(this.#columns, [row], {
      digits: this.#digits,
      colour: wantsColour(this.#stream),
      widths: this.#columns.map(() => WIDTH),
    }).split('\n');
    const head = this.#rows++ % this.#headerEvery === 0 ? [header, rule] : [];
    this.#stream.write(`${[...head, ...lines].join('\n')}\n`);
  }

  close(): void {}
}
