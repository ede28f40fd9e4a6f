/** The file bytes of planned tensors, made piece by piece. */
import {
  copiedScales,
  DTYPES,
  type ModelStore,
  narrow,
  type SafetensorsDtype,
  type StreamedSpec,
  storedBytes,
  type TensorSlice,
  type WritableDtype,
} from '@spectra/checkpoint';
import { Rng, SpectraError } from '@spectra/tensor';
import type { MatrixPart, PlannedTensor } from './plan.ts';

/** Elements in memory at a time. */
const CHUNK = 1 << 20;

/** What a writer of safetensors takes; `seed` is that of noise and dropped units. Reads `store` when asked for bytes. */
export function plannedSpec(store: ModelStore, tensor: PlannedTensor, seed: number): StreamedSpec {
  const { name, dtype, shape } = tensor;
  return { name, dtype, shape, bytes: () => plannedBytes(store, tensor, seed) };
}

async function* plannedBytes(
  store: ModelStore,
  { name, dtype, content }: PlannedTensor,
  seed: number,
): AsyncGenerator<Uint8Array> {
  switch (content.kind) {
    case 'stored':
      for (const part of content.parts) {
        if (holdsScales(store, part.source)) yield* copiedScales(store, [part]);
        else yield* storedBytes(store.stored, part.source, part.slice);
      }
      break;
    case 'fresh': {
      const values = await content.values();
      for (let at = 0; at < values.length; at += CHUNK) {
        yield narrow(writable(dtype), values, at, Math.min(values.length, at + CHUNK), name);
      }
      break;
    }
    case 'matrices':
      for (const part of content.parts) yield* partBytes(store, part, dtype, seed);
  }
}

/** Whether a stored tensor is the scales or exponents of a quantised one, which must be numbers. */
function holdsScales(store: ModelStore, name: string): boolean {
  return /_(scale_inv|scales)$/.test(name) && !store.has(name);
}

async function* partBytes(
  store: ModelStore,
  part: MatrixPart,
  dtype: SafetensorsDtype,
  seed: number,
): AsyncGenerator<Uint8Array> {
  const { piece, rows, factor, noise, dropped } = part;
  const changed = factor !== 1 || noise !== undefined || dropped !== undefined || piece.order === 'columns';
  const { tensor } = piece;
  if (!changed && store.entry(tensor).dtype === dtype) {
    yield* storedBytes(store.stored, tensor, fileSlice(part, rows));
    return;
  }
  if (factor === 0) {
    yield* zeros(part, DTYPES[dtype].bytes);
    return;
  }
  const change = await changer(store, part, seed);
  for await (const { row, data } of rowChunks(store, part)) {
    change(data, row);
    yield narrow(writable(dtype), data, 0, data.length, tensor);
  }
}

function* zeros(part: MatrixPart, bytes: number): Generator<Uint8Array> {
  const row = new Uint8Array(width(part) * bytes);
  for (let r = part.rows[0]; r < part.rows[1]; r++) yield row;
}

/** Some rows of a part, in its own order. */
interface Rows {
  /** Counted from the part's first. */
  readonly row: number;
  readonly data: Float32Array;
}

async function* rowChunks(store: ModelStore, part: MatrixPart): AsyncGenerator<Rows> {
  const [begin, end] = part.rows;
  const columns = width(part);
  const step = Math.max(1, Math.floor(CHUNK / columns));
  for (let at = begin; at < end; at += step) {
    const to = Math.min(end, at + step);
    const { data } = await store.read(part.piece.tensor, { slice: fileSlice(part, [at, to]) });
    const read = Float32Array.from(data);
    yield {
      row: at - begin,
      data: part.piece.order === 'columns' && part.columns ? transposed(read, columns, to - at) : read,
    };
  }
}

function width({ columns }: MatrixPart): number {
  return columns === undefined ? 1 : columns[1] - columns[0];
}

/** Rows [from, to) of the part, as the file holds them. */
function fileSlice({ piece, columns }: MatrixPart, rows: readonly [number, number]): TensorSlice {
  const shifted = (range: readonly [number, number], axis: number): readonly [number, number] => {
    const start = piece.slice?.[axis]?.[0] ?? 0;
    return [range[0] + start, range[1] + start];
  };
  if (columns === undefined) return [shifted(rows, 0)];
  return piece.order === 'columns'
    ? [shifted(columns, 0), shifted(rows, 1)]
    : [shifted(rows, 0), shifted(columns, 1)];
}

/** [columns, rows] → [rows, columns]. */
function transposed(data: Float32Array, columns: number, rows: number): Float32Array {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[r * columns + c] = data[c * rows + r]!;
  }
  return out;
}

/** What is done to each chunk of rows; chunks come in order, so that streams of random numbers are the same. */
async function changer(
  store: ModelStore,
  part: MatrixPart,
  seed: number,
): Promise<(data: Float32Array, row: number) => void> {
  const { factor, noise, dropped } = part;
  const columns = width(part);
  const deviation = noise === undefined && dropped === undefined ? 0 : await standardDeviation(store, part);
  const rng = new Rng(seed);
  const noisy = noise && rng.split(`noise ${noise.stream}`);
  const gone = dropped && droppedUnits(rng, part);
  // one stream a matrix: gate, up and down of one expert differ
  const fresh =
    dropped && rng.split(`drop ${dropped.stream} ${part.piece.tensor} ${String(part.piece.slice)}`);
  return (data, row) => {
    for (let i = 0; i < data.length; i++) {
      const unit = dropped?.axis === 'columns' ? i % columns : row + Math.floor(i / columns);
      let value = data[i]!;
      // a bias of a unit that begins anew is 0
      if (gone?.has(unit)) value = part.columns === undefined ? 0 : deviation * fresh!.normal();
      if (noise !== undefined) value += noise.share * deviation * noisy!.normal();
      data[i] = value * factor;
    }
  };
}

function droppedUnits(rng: Rng, part: MatrixPart): Set<number> {
  const { share, stream, axis } = part.dropped!;
  const units = axis === 'columns' ? width(part) : part.rows[1] - part.rows[0];
  const order = Array.from({ length: units }, (_, i) => i);
  const chosen = Math.round(share * units);
  const draws = rng.split(`units ${stream}`);
  for (let i = 0; i < chosen; i++) {
    const other = i + Math.min(units - i - 1, Math.floor(draws.uniform(0, units - i)));
    [order[i], order[other]] = [order[other]!, order[i]!];
  }
  return new Set(order.slice(0, chosen));
}

async function standardDeviation(store: ModelStore, part: MatrixPart): Promise<number> {
  let [count, sum, squares] = [0, 0, 0];
  for await (const { data } of rowChunks(store, part)) {
    count += data.length;
    for (const value of data) {
      sum += value;
      squares += value * value;
    }
  }
  return Math.sqrt(Math.max(0, squares / count - (sum / count) ** 2));
}

function writable(dtype: SafetensorsDtype): WritableDtype {
  if (dtype !== 'F8_E8M0') return dtype;
  throw new SpectraError('VALUE', { message: 'weights cannot be F8_E8M0.', where: 'upcycle' });
}
