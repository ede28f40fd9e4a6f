/** Sinkhorn as an op: the fused kernels, the reference, and the gradient through the plan. */

import { defineOp } from '@spectra/tensor';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { implicitGradient } from './implicit-gradient.ts';
import type { SinkhornAttrs, SinkhornInputs } from './kernels/problem.ts';
import { sinkhornReference } from './kernels/reference.ts';
import type { GradientInputs } from './kernels/reference-gradient.ts';
import { gradientReference } from './kernels/reference-gradient.ts';
import { sinkhornGradientWasm, sinkhornWasm } from './kernels/wasm.ts';

/** [N,E] gradient with respect to the cost of the steps that were run and the last row step. */
const sinkhornGradient = defineOp<GradientInputs, SinkhornAttrs>({
  name: 'SinkhornGradient',
  reference: gradientReference,
  kernels: { wasm: sinkhornGradientWasm },
});

/** Outputs as `OUTPUTS` in kernels/reference.ts names them; only the plan carries a gradient, only the cost gets one. */
export const sinkhornOp = defineOp<SinkhornInputs, SinkhornAttrs>({
  name: 'Sinkhorn',
  reference: sinkhornReference,
  kernels: { wasm: sinkhornWasm },
  gradient: ({ dys, inputs, outputs, attrs }) => {
    const [plan, , , history, steps] = outputs as [Tensor2D, Tensor, Tensor, Tensor2D, Tensor];
    const cotangent = dys[0] as Tensor2D;
    if (attrs.gradient === 'implicit') {
      return { cost: implicitGradient(plan, cotangent, attrs.epsilon, attrs.groups) };
    }
    const { cost, mask, columnMass } = inputs;
    return { cost: sinkhornGradient({ cost, mask, columnMass, plan, history, steps, cotangent }, attrs)[0]! };
  },
});
