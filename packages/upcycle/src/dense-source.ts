/** The MLPs of a dense checkpoint: where each matrix lies, and of what shape and dtype it is. */
import type { ModelStore, SafetensorsDtype } from '@spectra/checkpoint';
import { isGated } from '@spectra/moe-layer';
import { checkValue } from '@spectra/tensor';
import { bindTensors, type ModelDescription, type Piece } from '@spectra/transformer';
import { mismatch } from './plan.ts';

export type MlpMatrix = 'gate' | 'up' | 'down';

export interface DenseMlp {
  readonly matrices: Readonly<Partial<Record<MlpMatrix, Piece>>>;
  readonly biases: Readonly<Partial<Record<MlpMatrix, Piece>>>;
  readonly dtype: SafetensorsDtype;
  /** Stored tensors that hold it, and the part of them that is not carried over. */
  readonly sources: readonly string[];
}

/** Finds the MLP of a layer. Errors: `CHECKPOINT_MISMATCH`; `VALUE` for quantised weights. */
export function denseMlp(store: ModelStore, source: ModelDescription, layer: number): DenseMlp {
  const { family, architecture } = source;
  const { hidden, dense } = architecture;
  const { intermediate } = dense;
  const names: MlpMatrix[] = isGated(dense.activation) ? ['gate', 'up', 'down'] : ['up', 'down'];
  const rows = (matrix: MlpMatrix): number => (matrix === 'down' ? hidden : intermediate);
  const find = (name: string, shape: readonly number[]): Piece => {
    const bound = bindTensors([{ name, shape }], family, architecture, n => store.has(n)).get(name)!;
    const piece = bound.pieces[0]!;
    checkStored(store, piece);
    return piece;
  };
  const prefix = `model.layers.${layer}.mlp.`;
  const matrices = Object.fromEntries(
    names.map(matrix => {
      const columns = matrix === 'down' ? intermediate : hidden;
      return [matrix, find(`${prefix}${matrix}_proj.weight`, [rows(matrix), columns])];
    }),
  );
  const biases = Object.fromEntries(
    (dense.bias ? names : []).map(matrix => [matrix, find(`${prefix}${matrix}_proj.bias`, [rows(matrix)])]),
  );
  const sources = [
    ...new Set([...Object.values(matrices), ...Object.values(biases)].map(({ tensor }) => tensor)),
  ];
  return { matrices, biases, dtype: store.entry(sources[0]!).dtype, sources };
}

/** Checks that the file holds the whole tensor, with the shape that the configuration asks for. */
export function checkStored(store: ModelStore, { tensor, shape }: Piece): void {
  if (!store.has(tensor)) throw mismatch(`the tensor ${tensor} is missing.`, store.name);
  const { shape: found, dtype } = store.entry(tensor);
  if (String(found) !== String(shape)) {
    throw mismatch(`${tensor} is [${found}], the configuration asks for [${shape}].`, store.name);
  }
  checkValue(
    store.storage(tensor).kind === 'plain' && ['F32', 'F16', 'BF16'].includes(dtype),
    `${tensor} is quantised or of dtype ${dtype}.`,
    store.name,
    'Convert the model to bf16 or f32 first.',
  );
}
