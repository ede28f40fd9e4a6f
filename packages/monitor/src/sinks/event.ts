/** TensorBoard's Event message (tensorflow/core/util/event.proto) for scalars and histograms. */
import {
  bytesField,
  doubleField,
  doublesField,
  floatField,
  integerField,
  message,
  stringField,
} from './protobuf.ts';

/** A histogram in HistogramProto's terms: bucket i counts (limit[i−1], limit[i]], its first one from `min` on. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly count: number;
  readonly sum: number;
  readonly sumOfSquares: number;
  readonly limits: readonly number[];
  readonly counts: readonly number[];
}

/** `buckets` equal ones from min to max; one bucket where all values are equal. Values that are not finite are left out. */
export function histogram(values: Iterable<number>, buckets = 30): Histogram {
  const finite = [...values].filter(Number.isFinite).sort((a, b) => a - b);
  const min = finite[0] ?? 0;
  const max = finite.at(-1) ?? 0;
  const count = max > min ? buckets : 1;
  const width = (max - min) / count;
  const counts = new Array<number>(count).fill(0);
  for (const value of finite) {
    const bucket = width > 0 ? Math.min(count - 1, Math.floor((value - min) / width)) : 0;
    counts[bucket] = counts[bucket]! + 1;
  }
  return {
    min,
    max,
    count: finite.length,
    sum: finite.reduce((a, b) => a + b, 0),
    sumOfSquares: finite.reduce((a, b) => a + b * b, 0),
    limits: counts.map((_, i) => (i === count - 1 ? max : min + (i + 1) * width)),
    counts,
  };
}

export type Summary =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly histogram: Histogram };

function encodeSummary(summary: Summary): Uint8Array {
  if ('scalar' in summary) return message(stringField(1, summary.tag), floatField(2, summary.scalar));
  const { min, max, count, sum, sumOfSquares, limits, counts } = summary.histogram;
  const proto = message(
    doubleField(1, min),
    doubleField(2, max),
    doubleField(3, count),
    doubleField(4, sum),
    doubleField(5, sumOfSquares),
    doublesField(6, limits),
    doublesField(7, counts),
  );
  return message(stringField(1, summary.tag), bytesField(5, proto));
}

/** Field numbers of Event: wall_time 1, step 2, file_version 3, summary 5, session_log 7. */
const head = (wallTime: number, step: number): Uint8Array =>
  message(doubleField(1, wallTime), integerField(2, step));

/** The event that every file starts with. */
export const versionEvent = (wallTime: number): Uint8Array =>
  message(head(wallTime, 0), stringField(3, 'brain.Event:2'));

/** Values of one step; wallTime in seconds since 1970. */
export const summaryEvent = (wallTime: number, step: number, summaries: readonly Summary[]): Uint8Array =>
  message(
    head(wallTime, step),
    bytesField(5, message(...summaries.map(summary => bytesField(1, encodeSummary(summary))))),
  );

/** SessionLog START: TensorBoard then forgets what earlier files say of `step` and later steps. */
export const restartEvent = (wallTime: number, step: number): Uint8Array =>
  message(head(wallTime, step), bytesField(7, integerField(1, 1)));
