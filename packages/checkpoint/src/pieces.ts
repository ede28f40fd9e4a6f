/** Tensors larger than the memory one has: read as pieces of a bounded size, in row-major order. */
import { checkValue } from '@spectra/tensor';
import { DTYPES, type HostData, sizeOf } from './dtypes.ts';
import { STAGING_BYTES } from './safetensors-reader.ts';
import { longestRead, planReads, planSlice, type TensorSlice } from './slice.ts';
import { type StoredTensors, type TensorStore, tensorPlace } from './tensor-store.ts';

/** Some consecutive elements of a tensor, or of a slice of it. */
export interface TensorPiece {
  /** Which part of the whole tensor it is. */
  readonly slice: TensorSlice;
  readonly shape: readonly number[];
  /** The place of its first element, counted row-major in what was asked for. */
  readonly offset: number;
  readonly data: HostData;
}

export interface PieceOptions {
  /** Only this part. */
  readonly slice?: TensorSlice;
  /** Of a piece in memory (4 bytes an element for floats up to 32 bits); 128 MiB by default. */
  readonly maxBytes?: number;
}

const DEFAULT_BYTES = 128 << 20;

/** Reads a tensor in pieces of at most `maxBytes`; their data, one after another, is the tensor. */
export async function* readPieces(
  store: TensorStore,
  name: string,
  options: PieceOptions = {},
): AsyncGenerator<TensorPiece> {
  const { dtype, shape } = store.entry(name);
  const { maxBytes = DEFAULT_BYTES } = options;
  checkValue(maxBytes >= 8, `maxBytes is ${maxBytes}, must be at least 8.`, 'readPieces');
  const perElement = new DTYPES[dtype].host(0).BYTES_PER_ELEMENT;
  let offset = 0;
  for (const slice of pieceSlices(shape, options.slice, Math.floor(maxBytes / perElement), name)) {
    const piece = await store.read(name, { slice });
    yield { slice, shape: piece.shape, offset, data: piece.data };
    offset += piece.data.length;
  }
}

/** Slices of at most `maxElements` that follow each other in row-major order. */
export function* pieceSlices(
  shape: readonly number[],
  slice: TensorSlice | undefined,
  maxElements: number,
  where: string,
): Generator<TensorSlice> {
  const { shape: wanted } = planSlice(shape, slice, where);
  if (sizeOf(wanted) === 0) return;
  const ranges = shape.map((size, axis) => slice?.[axis] ?? ([0, size] as const));
  // the first axis of which at least one index fits whole; axes before it go index by index
  let axis = 0;
  while (axis < wanted.length && sizeOf(wanted.slice(axis + 1)) > maxElements) axis++;
  if (axis === wanted.length) return yield ranges;
  const step = Math.max(1, Math.floor(maxElements / sizeOf(wanted.slice(axis + 1))));
  const outer = sizeOf(wanted.slice(0, axis));
  for (let i = 0; i < outer; i++) {
    const lead: (readonly [number, number])[] = [];
    for (let a = axis - 1, rest = i; a >= 0; a--) {
      const at = ranges[a]![0] + (rest % wanted[a]!);
      lead.unshift([at, at + 1]);
      rest = Math.floor(rest / wanted[a]!);
    }
    const [begin, end] = ranges[axis]!;
    for (let at = begin; at < end; at += step) {
      yield [...lead, [at, Math.min(end, at + step)], ...ranges.slice(axis + 1)];
    }
  }
}

/**
 * The file's bytes of a stored tensor, or of a slice of it, in pieces of at most 4 MB. The buffer of a piece is used
 * again for the next.
 */
export async function* storedBytes(
  stored: StoredTensors,
  name: string,
  slice?: TensorSlice,
): AsyncGenerator<Uint8Array> {
  const { dtype, shape } = stored.entry(name);
  const plan = planSlice(shape, slice, tensorPlace(stored.name, name));
  const size = DTYPES[dtype].bytes;
  const buffer = new Uint8Array(longestRead(plan, shape, STAGING_BYTES / size) * size);
  for (const { start, end, runs } of planReads(plan, STAGING_BYTES / size)) {
    await stored.readBytes(name, start * size, buffer.subarray(0, (end - start) * size));
    // the runs moved together: a slice of columns is thousands of short ones
    let done = 0;
    for (const [from, to] of runs) {
      buffer.copyWithin(done, (from - start) * size, (to - start) * size);
      done += (to - from) * size;
    }
    yield buffer.subarray(0, done);
  }
}
