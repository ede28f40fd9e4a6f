/** Sinkhorn as an op: the fused kernels, the reference, and the gradient through the plan. */

import { defineOp } from '@spectra/tensor';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { implicitGradient } from './implicit-gradient.ts';
import type { ProblemInputs, SinkhornAttrs, SinkhornInputs } from './kernels/problem.ts';
import { sinkhornReference } from './kernels/reference.ts';
import type { GradientInputs } from './kernels/reference-gradient.ts';
import { gradientReference } from './kernels/reference-gradient.ts';
import { sinkhornGradientWasm, sinkhornWasm } from './kernels/wasm.ts';
import { sinkhornGradientOnDevice } from './kernels/webgpu/backward.ts';
import { sinkhornOnDevice } from './kernels/webgpu/forward.ts';

/** [N,E] gradient with respect to the cost of the steps that were run and the last row step. */
const sinkhornGradient = defineOp<GradientInputs, SinkhornAttrs>({
  name: 'SinkhornGradient',
  reference: gradientReference,
  kernels: { wasm: sinkhornGradientWasm, webgpu: sinkhornGradientOnDevice },
});

/** Outputs as `OUTPUTS` in kernels/reference.ts names them. No gradient: see `differentiablePlan`. */
export const sinkhornOp = defineOp<SinkhornInputs, SinkhornAttrs>({
  name: 'Sinkhorn',
  reference: sinkhornReference,
  kernels: { wasm: sinkhornWasm, webgpu: sinkhornOnDevice },
});

export type PlanInputs = ProblemInputs & {
  readonly plan: Tensor2D;
  readonly history: Tensor2D;
  readonly steps: Tensor;
};

/**
 * The plan again, as a function of the cost. Apart from the op that makes it, so that the tape does not save and clear
 * the cotangents of seven outputs that carry no gradient.
 */
export const differentiablePlan = defineOp<PlanInputs, SinkhornAttrs>({
  name: 'SinkhornPlan',
  reference: ({ plan }) => [plan],
  gradient: ({ dys: [cotangent], inputs, attrs }) => {
    if (attrs.gradient === 'implicit') {
      return { cost: implicitGradient(inputs.plan, cotangent as Tensor2D, attrs.epsilon, attrs.groups) };
    }
    return { cost: sinkhornGradient({ ...inputs, cotangent: cotangent as Tensor2D }, attrs)[0]! };
  },
});
