/** Top-k by the wasm kernel. */
import type { KernelInputs, WasmCall } from '@spectra/tensor';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { SelectionSizes } from '../../selection.ts';
import { checkScores, liveRows } from '../../selection.ts';
import { maskAddress } from './mask.ts';
import { kernels } from './module.ts';

type Inputs = { scores: Tensor; mask: Tensor | undefined; atLeast: Tensor | undefined };

export function topKWasm(
  { scores, mask, atLeast }: KernelInputs<Inputs>,
  { tokens, experts, k, groups }: SelectionSizes,
  call: WasmCall,
): TensorInfo[] {
  const module = kernels(call.backend);
  const indices = call.output([tokens, k], 'int32');
  const live = maskAddress(mask, tokens, call);
  const [from, bound] = [call.address(scores), call.addressOr0(atLeast)];
  checkScoresAt(from, live, tokens, experts, call, 'selectTopK');
  module.topK(tokens, experts, k, groups, from, live, bound, call.address(indices));
  return [indices];
}

/** Throws `NOT_FINITE` as `checkScores` does, of scores and mask (or 0) at these addresses; the scan is the kernel's. */
export function checkScoresAt(
  scores: number,
  mask: number,
  tokens: number,
  experts: number,
  call: WasmCall,
  where: string,
): void {
  if (kernels(call.backend).scoresHold(tokens, experts, scores, mask) !== 0) return;
  const rows = liveRows(mask === 0 ? undefined : call.floats(mask, tokens), tokens);
  checkScores(call.floats(scores, tokens * experts), experts, rows, where);
}
