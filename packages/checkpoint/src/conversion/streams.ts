/** File bytes of a target tensor, made piece by piece from parts of source tensors. */
import { SpectraError } from '@spectra/tensor';
import { narrow, type WritableDtype } from '../convert.ts';
import { bytesOf, sizeOf } from '../dtypes.ts';
import { type BlockSize, fp8Codes, fp8Scales } from '../fp8-blocks.ts';
import type { ModelStore, TensorStorage } from '../model-store.ts';
import { encodeMxfp4, MXFP4_GROUP } from '../mxfp4.ts';
import { readPieces, storedBytes } from '../pieces.ts';
import { checkExponents, checkScales } from '../read-quantised.ts';
import { planSlice, type TensorSlice } from '../slice.ts';
import { tensorPlace } from '../tensor-store.ts';
import type { TensorPart } from './expert-layout.ts';

const CHUNK_ELEMENTS = 1 << 20;

/** The stored bytes of plain tensors, unchanged. */
export async function* copied(store: ModelStore, parts: readonly TensorPart[]): AsyncGenerator<Uint8Array> {
  for (const { source, slice } of parts) yield* storedBytes(store.stored, source, slice);
}

/** The stored bytes of block scales or exponents, unchanged but looked at: `NOT_FINITE` for one that is no number. */
export async function* copiedScales(
  store: ModelStore,
  parts: readonly { readonly source: string; readonly slice?: TensorSlice }[],
): AsyncGenerator<Uint8Array> {
  const { stored } = store;
  for (const { source, slice } of parts) {
    for await (const { data } of readPieces(stored, source, slice === undefined ? {} : { slice })) {
      if (data instanceof Float32Array) checkScales(data, stored.name, source);
      else checkExponents(data as Uint8Array, stored.name, source);
    }
    yield* storedBytes(stored, source, slice);
  }
}

/** Values rounded to a float dtype. */
export async function* rounded(
  store: ModelStore,
  parts: readonly TensorPart[],
  dtype: WritableDtype,
): AsyncGenerator<Uint8Array> {
  for (const { source, slice } of parts) {
    const where = tensorPlace(store.name, source);
    for await (const { data } of readPieces(store, source, slice === undefined ? {} : { slice })) {
      for (let at = 0; at < data.length; at += CHUNK_ELEMENTS) {
        yield narrow(dtype, data, at, Math.min(data.length, at + CHUNK_ELEMENTS), where);
      }
    }
  }
}

/** The codes, or the scales, of matrices quantised to FP8 block by block; each part holds whole blocks. */
export async function* fp8Encoded(
  store: ModelStore,
  parts: readonly TensorPart[],
  block: BlockSize,
  wanted: 'codes' | 'scales',
): AsyncGenerator<Uint8Array> {
  for (const { source, slice } of parts) {
    const { shape } = store.entry(source);
    const columns = shape.at(-1)!;
    for (const band of rowBands(shape, slice, block[0])) {
      const { data } = await store.read(source, { slice: band });
      const values = asFloat32(data);
      const scales = fp8Scales(values, columns, block);
      yield wanted === 'codes' ? fp8Codes(values, columns, block, scales) : bytesOf(scales);
    }
  }
}

/** Slices of `rows` rows of each matrix of a stack. */
function* rowBands(
  shape: readonly number[],
  slice: TensorSlice | undefined,
  rows: number,
): Generator<TensorSlice> {
  const { shape: cut } = planSlice(shape, slice, 'rows');
  const ranges = shape.map((size, axis) => slice?.[axis] ?? ([0, size] as const));
  const lead = cut.slice(0, -2);
  const [begin, end] = ranges.at(-2)!;
  for (let i = 0; i < sizeOf(lead); i++) {
    const place: [number, number][] = [];
    for (let axis = lead.length - 1, rest = i; axis >= 0; axis--) {
      const at = ranges[axis]![0] + (rest % lead[axis]!);
      place.unshift([at, at + 1]);
      rest = Math.floor(rest / lead[axis]!);
    }
    for (let at = begin; at < end; at += rows) {
      yield [...place, [at, Math.min(end, at + rows)], ranges.at(-1)!];
    }
  }
}

/** The blocks, or the exponents, of [E, in, out] quantised to MXFP4, expert by expert. */
export async function* mxfp4Encoded(
  store: ModelStore,
  source: string,
  wanted: 'blocks' | 'scales',
): AsyncGenerator<Uint8Array> {
  const [experts, inputs, outputs] = store.entry(source).shape as [number, number, number];
  for (let e = 0; e < experts; e++) {
    const { data } = await store.read(source, { slice: [[e, e + 1]] });
    const blocks = new Uint8Array(data.length / 2);
    const exponents = new Uint8Array(data.length / MXFP4_GROUP);
    if (!encodeMxfp4(asFloat32(data), inputs, outputs, blocks, exponents)) {
      throw new SpectraError('NOT_FINITE', {
        message: `expert ${e} holds a value that is not finite.`,
        where: tensorPlace(store.name, source),
        fix: 'MXFP4 has no such values: keep another dtype.',
      });
    }
    yield wanted === 'blocks' ? blocks : exponents;
  }
}

function asFloat32(data: ArrayLike<number>): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

type Fp8 = Extract<TensorStorage, { kind: 'fp8-blocks' }>;

/** The scales of the parts of a target: rows of blocks for rows of codes. Undefined if a part cuts through a block. */
export function scaleParts(
  store: ModelStore,
  parts: readonly TensorPart[],
  rowsOfMatrix: number,
): { readonly source: string; readonly slice?: TensorSlice }[] | undefined {
  const found: { source: string; slice?: TensorSlice }[] = [];
  for (const { source, slice } of parts) {
    const { codes, scales, block } = store.storage(source) as Fp8;
    const axis = codes.shape.length - 2;
    const [from, to] = slice?.[axis] ?? [0, codes.shape[axis]!];
    // a part that is less than a matrix, on either side, must begin and end between blocks
    const whole = to - from === codes.shape[axis] && to - from === rowsOfMatrix;
    if (!whole && (from % block[0] !== 0 || to % block[0] !== 0)) return undefined;
    found.push({
      source: scales.name,
      ...(slice === undefined
        ? {}
        : {
            slice: slice.map((range, i) =>
              i === axis && range !== null ? [range[0] / block[0], Math.ceil(range[1] / block[0])] : range,
            ),
          }),
    });
  }
  return found;
}
