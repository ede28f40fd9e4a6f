/** Where a file holds a tensor of ours, piece by piece. */
import type { TensorSlice } from '@spectra/checkpoint';
import type { Architecture } from '../architecture.ts';

/**
 * How a piece's elements lie in the file. Ours is a matrix [R,C] (a vector: C = 1). `rows`: the same. `columns`: its
 * transpose [C,R]. `paired-columns`: the transpose with the columns of gate and up in turn, ours being all gate rows
 * before all up rows.
 */
export type PieceOrder = 'rows' | 'columns' | 'paired-columns';

export interface Piece {
  /** The file's tensor and its whole shape. */
  readonly tensor: string;
  readonly shape: readonly number[];
  /** The part of it that is meant; all of it by default. Leading axes of size 1 count for nothing. */
  readonly slice?: TensorSlice;
  /** `rows` by default. */
  readonly order?: PieceOrder;
  /** Where its elements begin in our tensor, which they fill without a gap; 0 by default. */
  readonly offset?: number;
}

/** A tensor of ours: a parameter, or a part of a router's state. */
export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

/** The pieces of one tensor in one kind of file; undefined for tensors that the rule does not speak of. */
export type TensorRule = (tensor: NamedShape, architecture: Architecture) => readonly Piece[] | undefined;

/** The shape of what a piece takes from the file. */
export function pieceShape({ shape, slice }: Piece): number[] {
  return shape.map((size, axis) => {
    const range = slice?.[axis];
    return range ? range[1] - range[0] : size;
  });
}

/** Rows and columns in the file, R and C of ours swapped unless the order is `rows`. */
function fileMatrix(piece: Piece): [number, number] {
  const sizes = pieceShape(piece);
  return [sizes.slice(0, -1).reduce((a, b) => a * b, 1), sizes.at(-1) ?? 1];
}

/** Calls `move(ours, file)` for each element's place from the piece's start, in our order. */
export function eachElement(piece: Piece, move: (ours: number, file: number) => void): void {
  const [rows, columns] = fileMatrix(piece);
  const half = columns / 2;
  for (let r = 0; r < columns; r++) {
    const column = piece.order === 'paired-columns' ? (r < half ? 2 * r : 2 * (r - half) + 1) : r;
    for (let c = 0; c < rows; c++) move(r * rows + c, c * columns + column);
  }
}
