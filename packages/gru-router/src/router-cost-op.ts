/** The router's cost from the rows that routing vectors and expressions are made of, as one op with one gradient. */
import { expertMean, gramMatrix } from '@spectra/gram';
import { defineOp, normalise } from '@spectra/tensor';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { domainScore } from './domain-score.ts';
import { routerCostGradientReference } from './kernels/reference/router-cost.ts';
import { routerCostGradientWasm, routerCostWasm } from './kernels/wasm/router-cost.ts';
import { routerCostOnDevice } from './kernels/webgpu/router-cost.ts';
import { routerCostGradientOnDevice } from './kernels/webgpu/router-cost-gradient.ts';
import { type OsrWeights, osrCostOp } from './osr-cost-op.ts';
import { specialityOfTokens } from './speciality.ts';

export interface RouterCostAttrs extends OsrWeights {
  /** Whether r and x are rows still to be brought to unit length over D. */
  readonly normalise: boolean;
  /** Whether the speciality of each token is wanted; else it is 0. */
  readonly speciality: boolean;
}

/** r, x [N,E,D]; mask [N]; gram [E,E], a constant in place of the batch's. */
export type RouterCostInputs = { r: Tensor; x: Tensor; mask: Tensor | undefined; gram: Tensor | undefined };

/** Cotangents of the outputs, and the outputs that the gradient is made of. */
export type RouterCostGradientInputs = Omit<RouterCostInputs, 'gram'> & {
  scores: Tensor;
  gram: Tensor;
  mean: Tensor;
  dScores: Tensor;
  dCost: Tensor;
  dGram: Tensor;
  dMean: Tensor;
  dSpecial: Tensor;
};
export type RouterCostGradientAttrs = RouterCostAttrs & {
  /** Whether `gram` is the batch's own. */
  readonly ownGram: boolean;
};

/** Outputs: scores [N,E], cost [N,E], gram [E,E], mean [E,D], speciality [N]. */
export const routerCostOp = defineOp<RouterCostInputs, RouterCostAttrs>({
  name: 'RouterCost',
  reference: ({ r, x, mask, gram: given }, attrs) => {
    const [R, X] = (attrs.normalise ? [normalise(r), normalise(x)] : [r, x]) as [Tensor3D, Tensor3D];
    const scores = domainScore(R, X);
    const mean = expertMean(X, mask as Tensor1D | undefined);
    const gram = given ?? gramMatrix(mean);
    const cost = osrCostOp({ scores, gram }, attrs)[0]!;
    const special = attrs.speciality ? specialityOfTokens(R) : tf.zeros([R.shape[0]]);
    return [scores, cost, gram as Tensor2D, mean, special];
  },
  kernels: { wasm: routerCostWasm, webgpu: routerCostOnDevice },
  gradient: ({ dys, inputs, outputs, attrs }) => {
    const { r, x, mask, gram: given } = inputs;
    const [scores, , gram, mean] = outputs as [Tensor, Tensor, Tensor, Tensor];
    const [dScores, dCost, dGram, dMean, dSpecial] = dys as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const [dr, dx] = gradientOp(
      { r, x, mask, scores, gram, mean, dScores, dCost, dGram, dMean, dSpecial },
      { ...costAttrs(attrs), ownGram: given === undefined },
    );
    return { r: dr!, x: dx! };
  },
});

const gradientOp = defineOp<RouterCostGradientInputs, RouterCostGradientAttrs>({
  name: 'RouterCostGradient',
  reference: routerCostGradientReference,
  kernels: { wasm: routerCostGradientWasm, webgpu: routerCostGradientOnDevice },
});

function costAttrs({ lambda, beta, tau, normalise, speciality }: RouterCostAttrs): RouterCostAttrs {
  return { lambda, beta, tau, normalise, speciality };
}
