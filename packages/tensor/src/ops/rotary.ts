/** Rotary position embedding, half-split (Su et al. 2021). */
import type { Tensor, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkShape } from '../errors.ts';

const op = defineOp<{ x: Tensor; cos: Tensor; sin: Tensor }, { readonly inverse: boolean }>({
  name: 'Rotary',
  reference: ({ x, cos, sin }, { inverse }) => {
    const [a, b] = tf.split(x, 2, 3) as [Tensor, Tensor];
    const c = cos.expandDims(2);
    const s = inverse ? sin.expandDims(2).neg() : sin.expandDims(2);
    return [tf.concat([a.mul(c).sub(b.mul(s)), b.mul(c).add(a.mul(s))], 3)];
  },
  // cos and sin are constants; where a factor scales both, the transpose is still the inverse turn times it
  gradient: ({ dys: [dy], inputs: { cos, sin }, attrs: { inverse } }) => ({
    x: op({ x: dy!, cos, sin }, { inverse: !inverse })[0]!,
  }),
});

/**
 * x [B,S,heads,d], cos and sin [B or 1,S,d/2] → x with channel i turned together with channel i + d/2. Differentiable
 * in x; the caller owns the result.
 */
export function rotary(x: Tensor4D, cos: Tensor3D, sin: Tensor3D): Tensor4D {
  const [, length, , width] = x.shape;
  checkShape(cos.shape, [-1, length, width / 2], 'rotary cos');
  checkShape(sin.shape, [...cos.shape], 'rotary sin');
  return op({ x, cos, sin }, { inverse: false })[0] as Tensor4D;
}
