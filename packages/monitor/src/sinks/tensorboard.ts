/** TensorBoard event files. */
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { histogram, restartEvent, type Summary, summaryEvent, versionEvent } from './event.ts';
import { AppendFile, fileOperation } from './files.ts';
import type { MetricRecord, MetricSink } from './sink.ts';
import { tfRecord } from './tf-record.ts';

export interface TensorBoardOptions {
  /** Resume: TensorBoard forgets what earlier files of the folder say of later steps. */
  readonly resumeAfter?: number;
  /** Seconds since 1970; default the system's clock. */
  readonly clock?: () => number;
  /** The part of the file name after the time; default host name, process id and a counter. */
  readonly suffix?: string;
}

let files = 0;

/**
 * `loss` → `train/loss`, `eval_loss` → `eval/loss`, as Hugging Face's Trainer does; names with a slash stay.
 */
export function tensorBoardTag(name: string): string {
  if (name.includes('/')) return name;
  const split = /^(eval|test)_(.+)$/.exec(name);
  return split === null ? `train/${name}` : `${split[1]}/${split[2]}`;
}

/**
 * Writes `events.out.tfevents.<time>.<suffix>` in `folder` (made if missing): a new file per run and resume, so a
 * record that a crash cut off stays the last one of its file, where TensorBoard ignores it. Scalars are float32 there.
 * Throws `FILE_EXISTS`, `FILE_MISSING`, `DISK_FULL`.
 */
export class TensorBoardSink implements MetricSink {
  readonly path: string;
  readonly #clock: () => number;
  readonly #file: AppendFile;

  constructor(folder: string, options: TensorBoardOptions = {}) {
    const {
      resumeAfter,
      clock = () => Date.now() / 1000,
      suffix = `${hostname()}.${process.pid}.${files++}`,
    } = options;
    this.#clock = clock;
    const seconds = String(Math.floor(clock())).padStart(10, '0');
    this.path = join(folder, `events.out.tfevents.${seconds}.${suffix}`);
    fileOperation(folder, () => mkdirSync(folder, { recursive: true }));
    this.#file = new AppendFile(this.path, 'ax');
    this.#append(versionEvent(clock()));
    if (resumeAfter !== undefined) this.#append(restartEvent(clock(), resumeAfter + 1));
  }

  /** Writes the finite numbers of a record as scalars; `step` is the axis. */
  write(record: MetricRecord): void {
    const scalars: Summary[] = [];
    for (const [name, value] of Object.entries(record)) {
      if (name !== 'step' && typeof value === 'number' && Number.isFinite(value)) {
        scalars.push({ tag: tensorBoardTag(name), scalar: value });
      }
    }
    if (scalars.length > 0) this.#append(summaryEvent(this.#clock(), record.step, scalars));
  }

  /** Writes the distribution of `values`, e.g. the load of the experts. */
  writeHistogram(tag: string, values: Iterable<number>, step: number): void {
    const summary = { tag: tensorBoardTag(tag), histogram: histogram(values) };
    this.#append(summaryEvent(this.#clock(), step, [summary]));
  }

  close(): void {
    this.#file.close();
  }

  #append(event: Uint8Array): void {
    this.#file.append(tfRecord(event));
  }
}
