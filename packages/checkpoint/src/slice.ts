/** A rectangular part of a row-major tensor, and the byte runs that hold it. */
import { SpectraError } from '@spectra/tensor';
import { sizeOf } from './dtypes.ts';

/** One [start, end) per leading axis; null or a missing axis means all of it. */
export type TensorSlice = readonly (readonly [number, number] | null)[];

export interface SlicePlan {
  readonly shape: readonly number[];
  /** Elements of one contiguous run. */
  readonly run: number;
  /** First element of each run, rising. */
  readonly starts: Iterable<number>;
}

/** Runs are as long as the slice allows: one, if only the first axis is cut. */
export function planSlice(
  shape: readonly number[],
  slice: TensorSlice | undefined,
  where: string,
): SlicePlan {
  const ranges = shape.map((size, axis): readonly [number, number] => slice?.[axis] ?? [0, size]);
  if ((slice?.length ?? 0) > shape.length) {
    throw sliceError(`a slice of ${slice!.length} axes of a tensor [${shape.join(', ')}].`, where);
  }
  ranges.forEach(([start, end], axis) => {
    const valid = Number.isInteger(start) && Number.isInteger(end);
    if (!valid || start < 0 || start > end || end > shape[axis]!) {
      throw sliceError(`slice [${start}, ${end}) of axis ${axis}, whose size is ${shape[axis]}.`, where);
    }
  });
  const out = ranges.map(([start, end]) => end - start);
  // the innermost axis that is cut: within it the wanted elements are contiguous
  let cut = shape.length - 1;
  while (cut > 0 && out[cut] === shape[cut]) cut--;
  const inner = sizeOf(shape.slice(cut + 1));
  const run = (out[cut] ?? 1) * inner;
  return { shape: out, run, starts: sizeOf(out) === 0 ? [] : runStarts(shape, ranges, cut) };
}

function* runStarts(
  shape: readonly number[],
  ranges: readonly (readonly [number, number])[],
  cut: number,
): Iterable<number> {
  const index = ranges.map(([start]) => start);
  for (;;) {
    let position = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      position = position * shape[axis]! + (axis <= cut ? index[axis]! : 0);
    }
    yield position;
    let axis = cut - 1;
    while (axis >= 0 && ++index[axis]! === ranges[axis]![1]) {
      index[axis] = ranges[axis]![0];
      axis--;
    }
    if (axis < 0) return;
  }
}

/** One read of consecutive elements, and the runs of them that are wanted. */
export interface PlannedRead {
  readonly start: number;
  readonly end: number;
  /** [first, one past the last], rising. */
  readonly runs: readonly (readonly [number, number])[];
}

/** The elements of the longest read that a plan can ask for: the size of its buffer. */
export function longestRead(plan: SlicePlan, shape: readonly number[], maxElements: number): number {
  // a plan of one run reads no more than that
  const cutsRows = plan.run < sizeOf(plan.shape);
  return Math.min(maxElements, cutsRows ? sizeOf(shape) : plan.run);
}

/** A gap of this many elements is read over rather than skipped: another read costs more. */
const CHEAP_GAP = 8192;

/**
 * Reads of at most `maxElements` that cover a slice. Long runs are split; short ones that lie close together, as when
 * columns are cut out of a matrix, share a read.
 */
export function* planReads({ run, starts }: SlicePlan, maxElements: number): Generator<PlannedRead> {
  let open: { start: number; end: number; runs: [number, number][] } | undefined;
  for (const start of starts) {
    const end = start + run;
    if (
      open !== undefined &&
      end - open.start <= maxElements &&
      start - open.end <= Math.max(CHEAP_GAP, 4 * run)
    ) {
      open.runs.push([start, end]);
      open.end = end;
      continue;
    }
    if (open !== undefined) yield open;
    let at = start;
    for (; end - at > maxElements; at += maxElements) {
      yield { start: at, end: at + maxElements, runs: [[at, at + maxElements]] };
    }
    open = { start: at, end, runs: [[at, end]] };
  }
  if (open !== undefined) yield open;
}

function sliceError(message: string, where: string): SpectraError {
  return new SpectraError('SHAPE', { message, where });
}
