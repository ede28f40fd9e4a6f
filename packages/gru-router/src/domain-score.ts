/** The cosine domain score of a token at an expert. */
import { checkShape, defineOp } from '@spectra/tensor';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { kernels } from './kernels/wasm/module.ts';

type ScoreInputs = { a: Tensor; b: Tensor };
type ScoreGradientInputs = ScoreInputs & { dy: Tensor };

const op = defineOp<ScoreInputs, object>({
  name: 'DomainScore',
  reference: ({ a, b }) => [tf.sum(tf.mul(a, b), 2)],
  kernels: {
    wasm: ({ a, b }, _, call) => {
      const [N, E, D] = a.shape as [number, number, number];
      const out = call.output([N, E]);
      kernels(call.backend).domainScore(N * E, D, call.address(a), call.address(b), call.address(out));
      return [out];
    },
  },
  gradient: ({ dys: [dy], inputs }) => {
    const [a, b] = domainScoreGradient({ ...inputs, dy: dy! });
    return { a, b };
  },
});

const gradientOp = defineOp<ScoreGradientInputs, object>({
  name: 'DomainScoreGradient',
  reference: ({ a, b, dy }) => {
    const factor = tf.expandDims(dy, 2);
    return [tf.mul(b, factor), tf.mul(a, factor)];
  },
  kernels: {
    wasm: ({ a, b, dy }, _, call) => {
      const [N, E, D] = a.shape as [number, number, number];
      const [dA, dB] = [call.output([N, E, D]), call.output([N, E, D])];
      const [pa, pb, pdy] = [call.address(a), call.address(b), call.address(dy)];
      kernels(call.backend).domainScoreBackward(N * E, D, pa, pb, pdy, call.address(dA), call.address(dB));
      return [dA, dB];
    },
  },
});

/** The cotangents of both from that of the scores, [N,E,D] each. */
export function domainScoreGradient(inputs: ScoreGradientInputs): [Tensor, Tensor] {
  return gradientOp(inputs, {}) as [Tensor, Tensor];
}

/**
 * s_te = ⟨R_te, X_te⟩: of [N,E,D] and [N,E,D], both normalised over D, to [N,E] in [−1, 1]. The caller owns the
 * result; differentiable in both.
 */
export function domainScore(routing: Tensor3D, expressions: Tensor3D): Tensor2D {
  checkShape(expressions.shape, routing.shape, 'domainScore');
  return op({ a: routing, b: expressions }, {})[0] as Tensor2D;
}
