/** The speciality loss: a token's routing vectors to the E experts should point apart. */
import { checkShape, defineOp } from '@spectra/tensor';
import type { Scalar, Tensor, Tensor1D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { kernels } from './kernels/wasm/module.ts';
import { tokenMean } from './token-mean.ts';

type SpecialityInputs = { r: Tensor };
type SpecialityGradientInputs = { r: Tensor; dy: Tensor };

/** R [N,E,D] → Σ_{i≠e} ⟨R_ti, R_te⟩² [N]. */
const op = defineOp<SpecialityInputs, object>({
  name: 'Speciality',
  reference: ({ r }) => {
    const inner = innerProducts(r as Tensor3D);
    if (inner.diagonal === undefined) return [tf.sum(tf.square(inner.products), [1, 2])];
    return [tf.sub(tf.sum(tf.square(inner.products), [1, 2]), tf.sum(tf.square(inner.diagonal), 1))];
  },
  kernels: {
    wasm: ({ r }, _, call) => {
      const [N, E, D] = r.shape as [number, number, number];
      const module = kernels(call.backend);
      const out = call.output([N]);
      const work = call.scratch(module.specialityWork(E, D));
      module.speciality(N, E, D, call.address(r), call.address(out), work);
      return [out];
    },
  },
  gradient: ({ dys: [dy], inputs: { r } }) => ({ r: specialityGradient({ r, dy: dy! }) }),
});

const gradientOp = defineOp<SpecialityGradientInputs, object>({
  name: 'SpecialityGradient',
  reference: ({ r, dy }) => {
    const factor = tf.mul(tf.reshape(dy, [-1, 1, 1]), 4);
    const { products, diagonal } = innerProducts(r as Tensor3D);
    if (diagonal === undefined) return [tf.mul(tf.matMul(products, r as Tensor3D), factor)];
    const all = tf.matMul(r as Tensor3D, products);
    return [tf.mul(tf.sub(all, tf.mul(r, tf.expandDims(diagonal, 2))), factor)];
  },
  kernels: {
    wasm: ({ r, dy }, _, call) => {
      const [N, E, D] = r.shape as [number, number, number];
      const module = kernels(call.backend);
      const dR = call.output([N, E, D]);
      const work = call.scratch(module.specialityWork(E, D));
      module.specialityBackward(N, E, D, call.address(r), call.address(dy), call.address(dR), work);
      return [dR];
    },
  },
});

/**
 * On the smaller side, since ‖RRᵀ‖²_F = ‖RᵀR‖²_F: RRᵀ [N,E,E] without its diagonal, or RᵀR [N,D,D] and the
 * diagonal of RRᵀ [N,E], which is to be taken off.
 */
function innerProducts(r: Tensor3D): { readonly products: Tensor3D; readonly diagonal?: Tensor } {
  const [, E, D] = r.shape;
  if (D < E) return { products: tf.matMul(r, r, true, false), diagonal: tf.sum(tf.square(r), 2) };
  return { products: tf.mul(tf.matMul(r, r, false, true), tf.sub(1, tf.eye(E))) };
}

/** Σ_{i≠e} ⟨R_ti, R_te⟩² [N] of R [N,E,D]. */
export function specialityOfTokens(routing: Tensor3D): Tensor1D {
  return op({ r: routing }, {})[0] as Tensor1D;
}

/** The cotangent of R from that of `specialityOfTokens`. */
export function specialityGradient(inputs: SpecialityGradientInputs): Tensor {
  return gradientOp(inputs, {})[0]!;
}

/** The loss from the speciality of each token [N], of E experts. */
export function meanSpeciality(perToken: Tensor1D, experts: number, mask?: Tensor): Scalar {
  return tf.div(tokenMean(perToken, mask), Math.max(1, experts * (experts - 1))) as Scalar;
}

/**
 * mean_t Σ_{i≠e} ⟨R_ti, R_te⟩² / (E(E−1)), in [0, 1]; 0 for a single expert.
 *
 * @param routing R [N,E,D] float32, normalised over D.
 * @param mask [N], or any shape of N elements, float32 0/1; padding does not count.
 * @returns a scalar the caller owns, differentiable in R. Memory: N·min(E,D)² at most, on wasm none.
 */
export function specialityLoss(routing: Tensor3D, mask?: Tensor): Scalar {
  checkShape(routing.shape, [-1, -1, -1], 'specialityLoss');
  const E = routing.shape[1];
  return tf.tidy(() => meanSpeciality(specialityOfTokens(routing), E, mask));
}
