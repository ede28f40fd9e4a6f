/** Expert choice with capacity: every token gets k experts and no expert more than its share. */
import { checkValue, defineOp, noGrad } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { scalar, tensor2d, zeros } from '@tensorflow/tfjs-core';
import { quota } from './kernels/reference/quota.ts';
import { quotaWasm } from './kernels/wasm/quota.ts';
import { quotaOnDevice } from './kernels/webgpu/quota.ts';
import type { SelectionOptions, SelectionSizes } from './selection.ts';
import { capacity, checkScores, liveRows, selectionSizes } from './selection.ts';

type Inputs = { readonly scores: Tensor; readonly mask: Tensor | undefined };
type Attrs = SelectionSizes & { readonly alpha: number };

const op = defineOp<Inputs, Attrs>({
  name: 'SelectQuota',
  readsBack: true,
  reference: ({ scores, mask }, attrs) => {
    const { tokens, experts, k, alpha } = attrs;
    const values = scores.dataSync<'float32'>();
    const rows = liveRows(mask?.dataSync(), tokens);
    checkScores(values, experts, rows, 'selectQuota');
    const result = quota(values, rows, capacity(alpha, rows.length, k, experts), attrs);
    return [
      tensor2d(result.indices, [tokens, k], 'int32'),
      scalar(result.dropped, 'int32'),
      scalar(result.swaps, 'int32'),
    ];
  },
  kernels: { wasm: quotaWasm, webgpu: quotaOnDevice },
});

/** A balanced selection; the caller owns the tensors. */
export interface QuotaSelection {
  /** [N,k] int32 by falling score, −1 for a dropped slot and at padding. */
  readonly indices: Tensor2D;
  /** int32: slots of tokens that found no room; max(0, N·k − E·cap). */
  readonly dropped: Scalar;
  /** int32: tokens moved so that no token is short while an expert has room. */
  readonly swaps: Scalar;
}

/**
 * Selects k experts for each token with at most cap = min(N, ⌈α·N·k/E − 1e-9⌉) tokens to an expert, N being the tokens
 * that are not padding.
 *
 * Pairs (token, expert) are taken by falling score, ties by the lowest token and then the lowest expert, and accepted
 * while the token has fewer than k experts and the expert fewer than cap tokens; this is the stable matching that
 * deferred acceptance (Gale and Shapley 1962) finds, so it does not depend on the order in which tokens are visited.
 * A token may be left short when it already holds every expert with room: then another token makes room for it. For
 * α ≥ 1 every token gets exactly k distinct experts; α < 1 drops exactly max(0, N·k − E·cap) slots.
 *
 * `scores` [N,E] float32: probabilities or log probabilities; −∞ ranks last. A constant: no gradient flows through it.
 * Not causal: a token's experts depend on every token of the batch.
 *
 * Errors: as `selectTopK`; `VALUE` for α ≤ 0 or not finite.
 */
export function selectQuota(
  scores: Tensor2D,
  k: number,
  alpha: number,
  options: SelectionOptions = {},
): QuotaSelection {
  const sizes = selectionSizes(scores, k, options, 'selectQuota');
  checkValue(
    Number.isFinite(alpha) && alpha > 0,
    `alpha must be a positive number, got ${alpha}.`,
    'selectQuota',
  );
  return noGrad(() => {
    const [indices, dropped, swaps] =
      sizes.tokens === 0
        ? [zeros([0, k], 'int32'), scalar(0, 'int32'), scalar(0, 'int32')]
        : op({ scores, mask: options.mask }, { ...sizes, alpha });
    return { indices: indices as Tensor2D, dropped: dropped as Scalar, swaps: swaps as Scalar };
  });
}
