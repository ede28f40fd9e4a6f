/** What a conversion will write, tensor by tensor, before a value is read. */
import { DTYPES, type SafetensorsDtype, sizeOf, type TensorSlice } from '@spectra/checkpoint';
import { SpectraError } from '@spectra/tensor';
import type { Json, Piece } from '@spectra/transformer';

/** `carried`: unchanged from the source. */
export type TensorRole = 'carried' | 'expert' | 'shared' | 'router' | 'state';

/** A share of the hidden units whose weights are drawn anew (Nakamura et al. 2025, Drop-Upcycling). */
export interface DroppedUnits {
  readonly share: number;
  /** Names the stream that chooses them: the same for gate, up and down of one expert. */
  readonly stream: string;
  /** Where the units lie: rows of gate and up, columns of down. */
  readonly axis: 'rows' | 'columns';
}

/** Rows and columns of a matrix (or of a bias, without columns) of the source, in [out, in] order, times a factor. */
export interface MatrixPart {
  /** Where the source keeps the whole matrix. */
  readonly piece: Piece;
  readonly rows: readonly [number, number];
  readonly columns?: readonly [number, number];
  readonly factor: number;
  /** Standard deviation of added noise over that of the part; its stream's name. */
  readonly noise?: { readonly share: number; readonly stream: string };
  readonly dropped?: DroppedUnits;
}

/** What a target tensor's elements are, row-major. */
export type Content =
  /** File bytes of stored tensors, one after the other. */
  | {
      readonly kind: 'stored';
      readonly parts: readonly { readonly source: string; readonly slice?: TensorSlice }[];
    }
  | { readonly kind: 'matrices'; readonly parts: readonly MatrixPart[] }
  | { readonly kind: 'fresh'; readonly values: () => Promise<Float32Array> };

export interface PlannedTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly role: TensorRole;
  /** What is done, for people. */
  readonly transform: string;
  /** Stored tensors of the source that it is made of. */
  readonly sources: readonly string[];
  readonly content: Content;
}

export interface PlanTotals {
  readonly bytes: number;
  /** Weights, without routers' states and block scales. */
  readonly parameters: number;
  /** Of them, those that one token meets. */
  readonly active: number;
}

export interface UpcyclePlan {
  /** Content of the result's `config.json`. */
  readonly config: Json;
  readonly tensors: readonly PlannedTensor[];
  /** Tensors of the source that the result has not. */
  readonly dropped: readonly { readonly name: string; readonly reason: string }[];
  /** Whether the result computes what the source does, but for rounding; else why not. */
  readonly exact: boolean;
  readonly inexactBecause?: string;
  readonly totals: PlanTotals;
}

/** `share`: k/E, how many of the experts a token meets. */
export function totalsOf(tensors: readonly PlannedTensor[], share: number): PlanTotals {
  const sum = (count: (tensor: PlannedTensor) => number): number =>
    tensors.reduce((total, tensor) => total + count(tensor), 0);
  return {
    bytes: sum(tensorBytes),
    parameters: sum(weightsIn),
    active: Math.round(sum(tensor => weightsIn(tensor) * (isExpert(tensor) ? share : 1))),
  };
}

export function tensorBytes({ dtype, shape }: PlannedTensor): number {
  return sizeOf(shape) * DTYPES[dtype].bytes;
}

/** Carried tensors of experts are experts, too. */
function isExpert({ role, name }: PlannedTensor): boolean {
  return role === 'expert' || /\.experts\./.test(name);
}

function weightsIn({ name, role, shape }: PlannedTensor): number {
  if (role === 'state' || /_scale_inv$|\.experts\..*_scales$|correction_bias$/.test(name)) return 0;
  return sizeOf(shape) * (/_blocks$/.test(name) ? 2 : 1); // two MXFP4 values in a byte
}

/**
 * Checks that every tensor of the source is used, carried or named as dropped, that no name is written twice, and that
 * every tensor that the result needs is planned with its shape: `CHECKPOINT_MISMATCH`.
 */
export function checkAccounted(
  sources: readonly string[],
  plan: Pick<UpcyclePlan, 'tensors' | 'dropped'>,
  expected: ReadonlyMap<string, readonly number[]>,
  where: string,
): void {
  const used = new Set(plan.dropped.map(({ name }) => name));
  const planned = new Map<string, readonly number[]>();
  for (const { name, shape, sources: names } of plan.tensors) {
    for (const source of names) used.add(source);
    planned.set(name, shape);
  }
  const unused = sources.filter(name => !used.has(name));
  if (unused.length > 0) throw mismatch(`${list(unused)} would be lost.`, where);
  if (planned.size !== plan.tensors.length) throw mismatch('a tensor would be written twice.', where);
  const missing = [...expected].filter(([name, shape]) => String(planned.get(name)) !== String(shape));
  if (missing.length > 0) {
    throw mismatch(`${list(missing.map(([name]) => name))} would be missing or of another shape.`, where);
  }
}

export function mismatch(message: string, where: string): SpectraError {
  return new SpectraError('CHECKPOINT_MISMATCH', {
    message,
    where,
    fix: 'Use the whole checkpoint, with the config.json that belongs to it.',
  });
}

function list(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return names.slice(0, 5).join(', ') + more;
}
