/**
 * A causal route without a gradient as one op: recurrence, projections, cost, price, top-k and gates. For decoding, where a
 * token's arithmetic takes less time than the some thirty operations it is composed of take to be called.
 */
import { defineOp } from '@spectra/tensor';
import type { Tensor } from '@tensorflow/tfjs-core';
import { causalRouteWasm } from './kernels/wasm/causal-route.ts';
import type { OsrWeights } from './osr-cost-op.ts';

export type CausalRouteInputs = {
  /** [B,S,H] */
  x: Tensor;
  /** [B,S,G], of a grid above its first layer. */
  below: Tensor | undefined;
  /** [B,G] */
  initial: Tensor | undefined;
  /** [B,S] each */
  mask: Tensor | undefined;
  documentStart: Tensor | undefined;
  /** As `GruWeights`; columns of `weightIh` past H are those of `below`. */
  weightIh: Tensor;
  weightHh: Tensor;
  biasIh: Tensor;
  biasHh: Tensor;
  /** [E·D,G] and [E·D,H] */
  projection: Tensor;
  expression: Tensor;
};

export interface CausalRouteAttrs extends OsrWeights {
  readonly experts: number;
  readonly routerDim: number;
  readonly k: number;
  readonly groups: number;
  readonly epsilon: number;
  readonly gates: 'plan' | 'cost';
  /** Whether experts are chosen by log P. */
  readonly logScores: boolean;
  /** G [E,E] on the host, and γ [E], 0 if there is none: what a kernel takes, which the composed route has of its own. */
  readonly gram: () => Float32Array;
  readonly price: Float32Array | undefined;
  /** The route composed of the operations that have gradients, outputs in the same order. */
  readonly composed: () => Tensor[];
}

/** Outputs: indices, weights [N,k], probabilities [N,E], load [E], mean of X [E,D], states [B,S,G], last state [B,G]. */
export const causalRouteOp = defineOp<CausalRouteInputs, CausalRouteAttrs>({
  name: 'CausalRoute',
  reference: (_, { composed }) => composed(),
  kernels: { wasm: causalRouteWasm },
});
