/** Calls of the router cost's wasm kernels. */
import type { KernelInputs, WasmCall } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type {
  RouterCostAttrs,
  RouterCostGradientAttrs,
  RouterCostGradientInputs,
  RouterCostInputs,
} from '../../router-cost-op.ts';
import { kernels } from './module.ts';

export function routerCostWasm(
  { r, x, mask, gram }: KernelInputs<RouterCostInputs>,
  { normalise, speciality, lambda, beta, tau }: RouterCostAttrs,
  call: WasmCall,
): TensorInfo[] {
  const [N, E, D] = r.shape as [number, number, number];
  const module = kernels(call.backend);
  const [scores, cost] = [call.output([N, E]), call.output([N, E])];
  const [ownGram, mean, special] = [call.output([E, E]), call.output([E, D]), call.output([N])];
  const work = call.scratch(module.routerCostWork(E, D));
  const at = (info: TensorInfo): number => call.address(info);
  module.routerCost(
    N,
    E,
    D,
    at(r),
    at(x),
    call.addressOr0(mask),
    call.addressOr0(gram),
    normalise ? 1 : 0,
    lambda,
    beta,
    tau,
    at(scores),
    at(cost),
    at(ownGram),
    at(mean),
    speciality ? at(special) : 0,
    work,
  );
  if (!speciality) call.floats(at(special), N).fill(0);
  return [scores, cost, ownGram, mean, special];
}

export function routerCostGradientWasm(
  inputs: KernelInputs<RouterCostGradientInputs>,
  { normalise, speciality, ownGram, lambda, beta, tau }: RouterCostGradientAttrs,
  call: WasmCall,
): TensorInfo[] {
  const [N, E, D] = inputs.r.shape as [number, number, number];
  const module = kernels(call.backend);
  const [dr, dx] = [call.output([N, E, D]), call.output([N, E, D])];
  const work = call.scratch(module.routerCostGradientWork(N, E, D));
  const at = (info: TensorInfo): number => call.address(info);
  module.routerCostGradient(
    N,
    E,
    D,
    at(inputs.r),
    at(inputs.x),
    call.addressOr0(inputs.mask),
    at(inputs.scores),
    at(inputs.gram),
    at(inputs.mean),
    ownGram ? 1 : 0,
    normalise ? 1 : 0,
    lambda,
    beta,
    tau,
    at(inputs.dScores),
    at(inputs.dCost),
    at(inputs.dGram),
    at(inputs.dMean),
    speciality ? at(inputs.dSpecial) : 0,
    at(dr),
    at(dx),
    work,
  );
  return [dr, dx];
}
