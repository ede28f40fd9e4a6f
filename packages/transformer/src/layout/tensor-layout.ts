/** Binds our tensors to the names in a file, and moves values between the two. */
import { type TensorSpec, type TensorStore, toTensor, type WritableDtype } from '@spectra/checkpoint';
import { SpectraError } from '@spectra/tensor';
import type * as tf from '@tensorflow/tfjs-core';
import type { Architecture } from '../architecture.ts';
import type { Family } from '../family.ts';
import { eachElement, type NamedShape, type Piece, pieceShape } from './piece.ts';

export interface BoundTensor extends NamedShape {
  readonly pieces: readonly Piece[];
}

/** Where a file holds each of our tensors, in the order of ours. */
export type TensorLayout = ReadonlyMap<string, BoundTensor>;

/**
 * Finds each tensor's place: the first of the family's rules whose tensors `has` knows, then our own name. Where nothing
 * is there, as for a file yet to be written, the first rule counts.
 */
export function bindTensors(
  tensors: readonly NamedShape[],
  family: Pick<Family, 'tensors'>,
  architecture: Architecture,
  has: (name: string) => boolean = () => false,
): TensorLayout {
  return new Map(
    tensors.map(tensor => {
      const own: readonly Piece[] = [{ tensor: tensor.name, shape: tensor.shape }];
      const ruled = family.tensors
        .map(rule => rule(tensor, architecture))
        .filter(found => found !== undefined);
      const candidates = [...ruled, own];
      const pieces = candidates.find(all => all.every(piece => has(piece.tensor))) ?? candidates[0]!;
      return [tensor.name, { ...tensor, pieces }];
    }),
  );
}

/** The tensors that the file must hold, with their shapes. */
export function storedTensors(layout: TensorLayout): Map<string, readonly number[]> {
  return new Map(
    [...layout.values()].flatMap(({ pieces }) => pieces.map(({ tensor, shape }) => [tensor, shape] as const)),
  );
}

/** Reads one of our tensors; the caller owns it. Holds it and one piece in host memory. */
export async function readBound(store: TensorStore, bound: BoundTensor): Promise<tf.Tensor> {
  const where = `${store.name}, ${bound.name}`;
  const [first] = bound.pieces;
  if (bound.pieces.length === 1 && isWhole(first!)) return toTensor(await store.read(first!.tensor), where);
  const data = new Float32Array(bound.shape.reduce((a, b) => a * b, 1));
  for (const piece of bound.pieces) {
    const { data: from, dtype } = await store.read(
      piece.tensor,
      piece.slice === undefined ? {} : { slice: piece.slice },
    );
    // a piece of another type would be converted silently
    if (!(from instanceof Float32Array)) {
      throw new SpectraError('CHECKPOINT_MISMATCH', {
        message: `it is ${dtype}, weights are needed.`,
        where: `${store.name}, tensor ${piece.tensor}`,
      });
    }
    const into = data.subarray(piece.offset ?? 0);
    if ((piece.order ?? 'rows') === 'rows') into.set(from);
    else {
      eachElement(piece, (ours, file) => {
        into[ours] = from[file]!;
      });
    }
  }
  return toTensor({ dtype: 'F32', shape: bound.shape, data }, where);
}

/** The file's tensors, each assembled when its turn comes from what `read` gives of ours. */
export function boundSpecs(
  layout: TensorLayout,
  read: (name: string) => Promise<Float32Array>,
  dtype: (name: string) => WritableDtype,
): TensorSpec[] {
  const parts = new Map<string, { piece: Piece; name: string }[]>();
  for (const { name, pieces } of layout.values()) {
    for (const piece of pieces)
      parts.set(piece.tensor, [...(parts.get(piece.tensor) ?? []), { piece, name }]);
  }
  // several tensors of the file may come from one of ours, one after the other
  let last: { readonly name: string; readonly data: Promise<Float32Array> } | undefined;
  const remembered = (name: string): Promise<Float32Array> => {
    if (last?.name !== name) last = { name, data: read(name) };
    return last.data;
  };
  return [...parts].map(([tensor, sources]) => ({
    name: tensor,
    shape: sources[0]!.piece.shape,
    dtype: dtype(sources[0]!.name),
    data: async () => {
      const { piece, name } = sources[0]!;
      if (sources.length === 1 && isWhole(piece)) {
        const size = piece.shape.reduce((a, b) => a * b, 1);
        return (await remembered(name)).subarray(piece.offset ?? 0, (piece.offset ?? 0) + size);
      }
      const file = new Float32Array(piece.shape.reduce((a, b) => a * b, 1));
      for (const source of sources) fill(file, source.piece, await remembered(source.name));
      return file;
    },
  }));
}

function isWhole({ slice, order = 'rows' }: Piece): boolean {
  return slice === undefined && order === 'rows';
}

/** Writes a piece's elements, `ours` being the whole of our tensor, into the file's tensor. */
function fill(file: Float32Array, piece: Piece, ours: Float32Array): void {
  const sizes = pieceShape(piece);
  const width = piece.shape.at(-1) ?? 1;
  const columns = sizes.at(-1) ?? 1;
  const firstColumn = piece.slice?.[piece.shape.length - 1]?.[0] ?? 0;
  const firstRow = piece.shape
    .slice(0, -1)
    .reduce((row, size, axis) => row * size + (piece.slice?.[axis]?.[0] ?? 0), 0);
  const offset = piece.offset ?? 0;
  const put = (from: number, place: number): void => {
    const [row, column] = [Math.floor(place / columns), place % columns];
    file[(firstRow + row) * width + firstColumn + column] = ours[offset + from]!;
  };
  if ((piece.order ?? 'rows') !== 'rows') eachElement(piece, put);
  else for (let i = 0; i < sizes.reduce((a, b) => a * b, 1); i++) put(i, i);
}
