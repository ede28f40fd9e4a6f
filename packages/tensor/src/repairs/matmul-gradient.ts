/** The gradient of a matrix product whose batch axes are broadcast. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { matMul } from '@tensorflow/tfjs-core';
import { unbroadcast } from './broadcast-gradients.ts';
import type { Repair } from './repair.ts';

export const matMulGradient: Repair = {
  fault: 'The gradient of matMul fails where a batch dimension is broadcast.',
  gradients: {
    BatchMatMul: () => ({
      inputsToSave: ['a', 'b'],
      gradFunc: (dy, saved, attrs) => {
        const [a, b] = saved as [Tensor, Tensor];
        const { transposeA: ta, transposeB: tb } = attrs as unknown as {
          transposeA: boolean;
          transposeB: boolean;
        };
        const g = dy as Tensor;
        return {
          a: () => unbroadcast(ta ? matMul(b, g, tb, true) : matMul(g, b, false, !tb), a.shape),
          b: () => unbroadcast(tb ? matMul(g, a, true, ta) : matMul(a, g, !ta, false), b.shape),
        };
      },
    }),
  },
};
