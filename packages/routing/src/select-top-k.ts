/** Token choice: each token takes the experts that it scores highest. */
import { checkShape, defineOp, noGrad } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { tensor2d, zeros } from '@tensorflow/tfjs-core';
import { topK } from './kernels/reference/top-k.ts';
import { topKWasm } from './kernels/wasm/top-k.ts';
import { topKOnDevice } from './kernels/webgpu/top-k.ts';
import type { SelectionOptions, SelectionSizes } from './selection.ts';
import { checkScores, liveRows, selectionSizes } from './selection.ts';

type Inputs = {
  readonly scores: Tensor;
  readonly mask: Tensor | undefined;
  readonly atLeast: Tensor | undefined;
};

const op = defineOp<Inputs, SelectionSizes>({
  name: 'SelectTopK',
  readsBack: true,
  reference: ({ scores, mask, atLeast }, sizes) => {
    const values = scores.dataSync<'float32'>();
    const rows = liveRows(mask?.dataSync(), sizes.tokens);
    checkScores(values, sizes.experts, rows, 'selectTopK');
    const indices = topK(values, rows, sizes, atLeast?.dataSync());
    return [tensor2d(indices, [sizes.tokens, sizes.k], 'int32')];
  },
  kernels: { wasm: topKWasm, webgpu: topKOnDevice },
});

export interface TopKOptions extends SelectionOptions {
  /** [E] float32: expert e is chosen only by scores of at least `atLeast[e]`; slots that stay empty are −1. */
  readonly atLeast?: Tensor1D;
}

/**
 * The k best experts of each token, ties to the lowest expert.
 *
 * `scores` [N,E] float32: probabilities, or log probabilities or any other finite numbers; −∞ ranks last. Returns
 * [N,k] int32, a token's slots in order of falling score (over all groups), −1 at padding, whose scores are not read.
 * A constant: no gradient flows through it. The caller owns the result.
 *
 * Errors: `VALUE` for k > E or groups that do not divide E and k, `SHAPE`; `NOT_FINITE` for NaN or +∞ (on webgpu,
 * where nothing is read back, NaN ranks last instead).
 */
export function selectTopK(scores: Tensor2D, k: number, options: TopKOptions = {}): Tensor2D {
  const sizes = selectionSizes(scores, k, options, 'selectTopK');
  if (options.atLeast !== undefined) checkShape(options.atLeast.shape, [sizes.experts], 'selectTopK atLeast');
  return noGrad(() => {
    if (sizes.tokens === 0) return zeros([0, k], 'int32') as Tensor2D;
    return op({ scores, mask: options.mask, atLeast: options.atLeast }, sizes)[0] as Tensor2D;
  });
}
