/** Selection by quota: deferred acceptance by the wasm kernel; the rare moves after it on the same memory. */
import type { KernelInputs, WasmCall } from '@spectra/tensor';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { SelectionSizes } from '../../selection.ts';
import { capacity, liveRows } from '../../selection.ts';
import { Moves, mostHeld } from '../reference/moves.ts';
import { maskAddress } from './mask.ts';
import { kernels } from './module.ts';
import { checkScoresAt } from './top-k.ts';

type Inputs = { scores: Tensor; mask: Tensor | undefined };

/** [indices [N,k], dropped, swaps] as the reference returns them. */
export function quotaWasm(
  inputs: KernelInputs<Inputs>,
  attrs: SelectionSizes & { readonly alpha: number },
  call: WasmCall,
): TensorInfo[] {
  const { tokens, experts, k, groups, alpha } = attrs;
  const module = kernels(call.backend);
  const outputs = [
    call.output([tokens, k], 'int32'),
    call.output([], 'int32'),
    call.output([], 'int32'),
  ] as const;
  const [indices, droppedAt, swapsAt] = outputs.map(info => call.address(info)) as [number, number, number];
  const scores = call.address(inputs.scores);
  const mask = maskAddress(inputs.mask, tokens, call);
  checkScoresAt(scores, mask, tokens, experts, call, 'selectQuota');
  const rows = liveRows(mask === 0 ? undefined : call.floats(mask, tokens), tokens);
  const cap = capacity(alpha, rows.length, k, experts);
  const heaps = call.scratch(4 * experts * cap);
  const load = call.scratch(4 * experts);
  const filled = call.scratch(4 * tokens);
  const work = call.scratch(module.acceptanceWork(tokens, k, groups));

  let held = 0;
  if (cap > 0) {
    module.acceptance(tokens, experts, k, groups, cap, scores, mask, heaps, load, work);
    held = module.acceptedSlots(tokens, experts, k, cap, heaps, load, indices, filled);
  } else call.ints(indices, tokens * k).fill(-1);
  let swaps = 0;
  if (held < mostHeld(rows.length, cap, attrs)) {
    const accepted = { tokens: call.ints(heaps, experts * cap), load: call.ints(load, experts) };
    const slots = call.ints(indices, tokens * k);
    const values = call.floats(scores, tokens * experts);
    swaps = new Moves(values, slots, call.ints(filled, tokens), accepted, cap, attrs).fill(rows);
  }
  if (cap > 0) module.sortTokens(tokens, experts, k, scores, indices, filled);
  call.ints(droppedAt, 1)[0] = rows.length * k - held - swaps;
  call.ints(swapsAt, 1)[0] = swaps;
  return [...outputs];
}
