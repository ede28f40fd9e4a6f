/** A causal route on the wasm backend: three matrix products and the kernels of its parts, without a tensor between them. */
import { type KernelInputs, type WasmCall, wasmGemm } from '@spectra/tensor';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { CausalRouteAttrs, CausalRouteInputs } from '../../causal-route-op.ts';
import { kernels } from './module.ts';

const BYTES = 4;

/** Undefined where a cost is not finite: the composed route says which. */
export function causalRouteWasm(
  inputs: KernelInputs<CausalRouteInputs>,
  attrs: CausalRouteAttrs,
  call: WasmCall,
): TensorInfo[] | undefined {
  const { experts: E, routerDim: D, k, groups, epsilon, lambda, beta, tau } = attrs;
  const [B, S] = inputs.x.shape as [number, number];
  const [N, G] = [B * S, inputs.weightHh.shape[1]!];
  const module = kernels(call.backend);
  const mask = call.addressOr0(inputs.mask);
  const { states, state } = recur(inputs, call);

  const x = call.address(inputs.x);
  const H = inputs.x.shape[2]!;
  const [r, e] = [call.scratch(BYTES * N * E * D), call.scratch(BYTES * N * E * D)];
  const product = (a: number, width: number, b: TensorInfo, c: number): void => {
    wasmGemm(call, { a, b: call.address(b), c, m: N, n: E * D, k: width, transposeB: true });
  };
  product(call.address(states), G, inputs.projection, r);
  product(x, H, inputs.expression, e);

  const [scores, cost, logits] = [0, 1, 2].map(() => call.scratch(BYTES * N * E)) as [number, number, number];
  const usedGram = call.scratch(BYTES * E * E);
  const mean = call.output([E, D]);
  const work = call.scratch(module.routerCostWork(E, D));
  const price = attrs.price === undefined ? 0 : call.scratch(BYTES * E);
  // the matrix may have to be made, which allocates: views come after it
  const values = attrs.gram();
  const gram = call.scratch(BYTES * E * E);
  call.floats(gram, E * E).set(values);
  if (attrs.price !== undefined) call.floats(price, E).set(attrs.price);
  const meanAt = call.address(mean);
  module.routerCost(N, E, D, r, e, mask, gram, 1, lambda, beta, tau, scores, cost, usedGram, meanAt, 0, work);

  const probabilities = call.output([N, E]);
  const P = call.address(probabilities);
  if (module.pricedPlan(N, E, groups, cost, price, mask, epsilon, logits, P) === 0) {
    for (const info of [states, state, mean, probabilities]) call.backend.disposeData(info.dataId);
    return undefined;
  }
  const [indices, weights] = [call.output([N, k], 'int32'), call.output([N, k])];
  const load = call.output([E], 'int32');
  const [chosen, w] = [call.address(indices), call.address(weights)];
  module.topK(N, E, k, groups, attrs.logScores ? logits : P, mask, 0, chosen);
  if (attrs.gates === 'plan') module.gateForward(N, E, k, groups, SHARE, P, chosen, w);
  else {
    module.scaled(N * E, -1 / epsilon, cost, logits);
    module.gateForward(N, E, k, groups, LOG, logits, chosen, w);
  }
  module.expertLoad(N * k, E, chosen, call.address(load));
  return [indices, weights, probabilities, load, mean, states, state];
}

/** Kinds of gates, as gate-weights.as.ts of `@spectra/routing` numbers them. */
const SHARE = 0;
const LOG = 1;

/** States [B,S,G], 0 at padding, and the last one [B,G]. */
function recur(
  inputs: KernelInputs<CausalRouteInputs>,
  call: WasmCall,
): { readonly states: TensorInfo; readonly state: TensorInfo } {
  const { x, below, initial, weightIh } = inputs;
  const [B, S, H] = x.shape as [number, number, number];
  const [N, G] = [B * S, inputs.weightHh.shape[1]!];
  const module = kernels(call.backend);
  const states = call.output([B, S, G]);
  const state = call.output([B, G]);
  const projected = call.scratch(BYTES * N * 3 * G);
  const zeros = call.scratch(BYTES * B * G);
  const work = call.scratch(module.gruForwardWork(G));
  const bias = call.address(inputs.biasIh);
  for (let t = 0; t < N; t++) {
    call.floats(projected + t * 3 * G * BYTES, 3 * G).set(call.floats(bias, 3 * G));
  }
  const add = (rows: TensorInfo, width: number, from: number): void => {
    wasmGemm(call, {
      a: call.address(rows),
      b: call.address(weightIh) + from * BYTES,
      c: projected,
      m: N,
      n: 3 * G,
      k: width,
      transposeB: true,
      ldb: weightIh.shape[1]!,
      accumulate: true,
    });
  };
  add(x, H, 0);
  if (below !== undefined) add(below, G, H);
  if (initial === undefined) call.floats(zeros, B * G).fill(0);
  module.gruForward(
    B,
    S,
    G,
    projected,
    call.address(inputs.weightHh),
    call.address(inputs.biasHh),
    initial === undefined ? zeros : call.address(initial),
    call.addressOr0(inputs.mask),
    call.addressOr0(inputs.documentStart),
    call.address(states),
    work,
  );
  const values = call.floats(call.address(states), N * G);
  const last = call.floats(call.address(state), B * G);
  for (let b = 0; b < B; b++) {
    const end = (b + 1) * S * G;
    last.set(values.subarray(end - G, end), b * G);
  }
  if (inputs.mask !== undefined) {
    call.floats(call.address(inputs.mask), N).forEach((live, t) => {
      if (live === 0) values.fill(0, t * G, (t + 1) * G);
    });
  }
  return { states, state };
}
