/** The gate of SwiGLU (Shazeer 2020). */
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkValue } from '../errors.ts';

const halves = (h: Tensor): [Tensor, Tensor] => {
  const width = h.shape[1]! / 2;
  return [tf.slice(h, [0, 0], [-1, width]), tf.slice(h, [0, width], [-1, width])];
};

const op = defineOp<{ h: Tensor }, object>({
  name: 'Swiglu',
  reference: ({ h }) => {
    const [gate, up] = halves(h);
    return [gate.mul(gate.sigmoid()).mul(up)];
  },
  gradient: ({ dys: [dy], inputs: { h } }) => {
    const [gate, up] = halves(h);
    const sigma = gate.sigmoid();
    // silu' = σ(1 + g(1 − σ))
    const slope = sigma.mul(tf.sub(1, sigma).mul(gate).add(1));
    return { h: tf.concat([dy!.mul(up).mul(slope), dy!.mul(gate).mul(sigma)], 1) };
  },
});

/** h [N,2I], gate columns before up columns → silu(gate) ⊙ up [N,I]. Differentiable; the caller owns the result. */
export function swiglu(h: Tensor2D): Tensor2D {
  checkValue(h.shape[1] % 2 === 0, `needs an even width, got ${h.shape[1]}.`, 'swiglu');
  return op({ h }, {})[0] as Tensor2D;
}
