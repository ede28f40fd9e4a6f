/** Gate weights and their gradient by the wasm kernels. */
import type { KernelInputs, WasmCall } from '@spectra/tensor';
import type { Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { GateSizes } from '../../gate-weights.ts';
import { kernels } from './module.ts';

/** How the kernels number the kinds. */
const GATE_KINDS = { share: 0, log: 1, raw: 2 } as const;

type Inputs = { scores: Tensor; indices: Tensor };

export function gateForwardWasm(
  { scores, indices }: KernelInputs<Inputs>,
  { tokens, experts, slots, groups, kind }: GateSizes,
  call: WasmCall,
): TensorInfo[] {
  const weights = call.output([tokens, slots]);
  const [from, chosen, to] = [call.address(scores), call.address(indices), call.address(weights)];
  const { gateForward } = kernels(call.backend);
  gateForward(tokens, experts, slots, groups, GATE_KINDS[kind], from, chosen, to);
  return [weights];
}

export function gateBackwardWasm(
  { scores, indices, weights, dy }: KernelInputs<Inputs & { weights: Tensor; dy: Tensor }>,
  { tokens, experts, slots, groups, kind }: GateSizes,
  call: WasmCall,
): TensorInfo[] {
  const gradient = call.output([tokens, experts]);
  const [from, chosen] = [call.address(scores), call.address(indices)];
  const [w, d, to] = [call.address(weights), call.address(dy), call.address(gradient)];
  const { gateBackward } = kernels(call.backend);
  gateBackward(tokens, experts, slots, groups, GATE_KINDS[kind], from, chosen, w, d, to);
  return [gradient];
}
