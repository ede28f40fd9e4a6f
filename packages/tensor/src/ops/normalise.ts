/** Unit vectors, with 0 where there is no direction. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { greaterEqual, mul, rsqrt, square, sub, sum, where, zerosLike } from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { SpectraError } from '../errors.ts';
import { normaliseGradOnDevice, normaliseOnDevice } from '../kernels/webgpu/normalise.ts';

/** Shorter vectors have no direction. */
const SHORTEST = 1e-6;

const op = defineOp<{ x: Tensor }, object>({
  name: 'Normalise',
  reference: ({ x }) => {
    const inverse = inverseLength(x);
    return [mul(x, inverse), inverse];
  },
  kernels: { webgpu: ({ x }, _, backend) => normaliseOnDevice(backend, x, SHORTEST) },
  gradient: ({ dys, outputs }) => {
    const [y, inverses] = outputs as [Tensor, Tensor];
    return { x: gradOp({ y, inverses, dy: dys[0]! }, {})[0]! };
  },
});

const gradOp = defineOp<{ y: Tensor; inverses: Tensor; dy: Tensor }, object>({
  name: 'NormaliseGrad',
  reference: ({ y, inverses, dy }) => [mul(inverses, sub(dy, mul(y, sum(mul(y, dy), -1, true))))],
  kernels: { webgpu: (inputs, _, backend) => normaliseGradOnDevice(backend, inputs) },
});

/** 1/‖x‖ over the last axis, kept; 0 under `SHORTEST`. */
function inverseLength(x: Tensor): Tensor {
  const squared = sum(square(x), -1, true);
  return where(greaterEqual(squared, SHORTEST * SHORTEST), rsqrt(squared), zerosLike(squared));
}

/**
 * normalise(v) = v/‖v‖₂ over the last axis; 0, with gradient 0, where ‖v‖₂ < 1e-6. float32 of any rank ≥ 1; the
 * caller owns the result.
 *
 * @throws SHAPE for a scalar or another dtype
 */
export function normalise<T extends Tensor>(x: T): T {
  if (x.rank === 0 || x.dtype !== 'float32') {
    throw new SpectraError('SHAPE', {
      message: `needs float32 vectors, got ${x.dtype} of rank ${x.rank}.`,
      where: 'normalise',
    });
  }
  const [y, inverse] = op({ x }, {}) as [T, Tensor];
  inverse.dispose();
  return y;
}
