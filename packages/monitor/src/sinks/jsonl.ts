/** `metrics.jsonl`: one JSON object a line, readable while the run goes on. */
import { existsSync, readFileSync } from 'node:fs';
import { SpectraError } from '@spectra/tensor';
import { AppendFile, fileOperation, replaceFile } from './files.ts';
import type { MetricRecord, MetricSink } from './sink.ts';

export interface JsonlOptions {
  /** Resume: lines of later steps, left by a run that went on after its last checkpoint, are removed. */
  readonly resumeAfter?: number;
}

const NEWLINE = 0x0a;

/** A record whose `step` is a finite number; anything else is a broken file. */
function parseLine(line: string, number: number, path: string): MetricRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  if (typeof value === 'object' && value !== null && 'step' in value && Number.isFinite(value.step)) {
    return value as MetricRecord;
  }
  throw new SpectraError('FILE_BROKEN', {
    message: `line ${number} is no JSON object with a step.`,
    where: path,
    fix: 'remove the line, or move the file away.',
  });
}

/** The complete lines of a file; a last line without a line break is one that a crash cut off. */
function completeLines(path: string): { readonly lines: string[]; readonly torn: boolean } {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf(NEWLINE) + 1;
  const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  return { lines, torn: end !== bytes.length };
}

/** All records of a JSONL file in order, without a last line that a crash cut off. */
export function readJsonl(path: string): MetricRecord[] {
  return fileOperation(path, () => completeLines(path).lines.map((line, i) => parseLine(line, i + 1, path)));
}

/**
 * Appends records as lines, each by one write: a crash can cut off the last line only, and opening the file again
 * removes it. Values that are not finite are written as null. Throws `FILE_MISSING`, `FILE_BROKEN`, `DISK_FULL`.
 */
export class JsonlSink implements MetricSink {
  readonly path: string;
  readonly #file: AppendFile;

  constructor(path: string, options: JsonlOptions = {}) {
    this.path = path;
    fileOperation(path, () => {
      if (existsSync(path)) repair(path, options.resumeAfter);
    });
    this.#file = new AppendFile(path, 'a');
  }

  write(record: MetricRecord): void {
    this.#file.append(new TextEncoder().encode(`${JSON.stringify(record)}\n`));
  }

  close(): void {
    this.#file.close();
  }
}

/** Removes a torn last line and, on resume, the lines after a step. Rewrites the file only if it must. */
function repair(path: string, resumeAfter: number | undefined): void {
  const { lines, torn } = completeLines(path);
  const kept =
    resumeAfter === undefined
      ? lines
      : lines.filter((line, i) => parseLine(line, i + 1, path).step <= resumeAfter);
  if (torn || kept.length < lines.length) {
    replaceFile(path, new TextEncoder().encode(kept.map(line => `${line}\n`).join('')));
  }
}
