/** Root mean square normalisation (Zhang & Sennrich 2019). */
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape } from '../errors.ts';

const op = defineOp<{ x: Tensor; weight: Tensor }, { readonly epsilon: number }>({
  name: 'RmsNorm',
  reference: ({ x, weight }, { epsilon }) => {
    const inverse = x.square().mean(1, true).add(epsilon).rsqrt();
    return [x.mul(inverse).mul(weight), inverse];
  },
  gradient: ({ dys: [dy], inputs: { x, weight }, outputs: [, inverse] }) => {
    const normed = x.mul(inverse!);
    const scaled = dy!.mul(weight);
    return {
      x: scaled.sub(normed.mul(scaled.mul(normed).mean(1, true))).mul(inverse!),
      weight: dy!.mul(normed).sum(0),
    };
  },
});

/** x [N,H], weight [H] → x/√(mean x² + ε) ⊙ weight [N,H]. Differentiable in both; the caller owns the result. */
export function rmsNorm(x: Tensor2D, weight: Tensor1D, epsilon: number): Tensor2D {
  checkShape(weight.shape, [x.shape[1]], 'rmsNorm weight');
  const [y, inverse] = op({ x, weight }, { epsilon }) as [Tensor2D, Tensor2D];
  inverse.dispose();
  return y;
}
