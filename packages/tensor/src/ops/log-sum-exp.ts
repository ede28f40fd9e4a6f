/** The logarithm of a sum of exponentials, right also for rows that are masked as a whole. */
import type { Tensor } from '@tensorflow/tfjs-core';
import { add, exp, expandDims, log, max, maximum, mul, reshape, sub, sum, util } from '@tensorflow/tfjs-core';
import { defineOp } from '../define-op.ts';
import { checkValue, SpectraError } from '../errors.ts';
import { logSumExpOnDevice } from '../kernels/webgpu/log-sum-exp.ts';

/** Stands in for −∞ where it would be subtracted from itself. */
const LOWEST = -3e38;

interface Attributes {
  readonly axis: number;
}

const op = defineOp<{ x: Tensor }, Attributes>({
  name: 'LogSumExp',
  reference: ({ x }, { axis }) => {
    const top = maximum(max(x, axis, true), LOWEST);
    return [add(log(sum(exp(sub(x, top)), axis)), reshape(top, reducedShape(x, axis)))];
  },
  // the softmax; 0 in a row of −∞
  kernels: { webgpu: ({ x }, { axis }, backend) => logSumExpOnDevice(backend, x, axis) },
  gradient: ({ dys, inputs, outputs, attrs: { axis } }) => {
    const level = expandDims(maximum(outputs[0]!, LOWEST), axis);
    return { x: mul(expandDims(dys[0]!, axis), exp(sub(inputs.x, level))) };
  },
});

function reducedShape(x: Tensor, axis: number): number[] {
  return x.shape.filter((_, i) => i !== axis);
}

/**
 * log Σ exp x over one axis (the last by default), which is dropped. −∞ with gradient 0 where all of it is −∞ or
 * the axis is empty; +∞ and NaN give what they must and no finite gradient. float32; the caller owns the result.
 *
 * @throws SHAPE for a scalar or another dtype, VALUE for an axis out of range
 */
export function logSumExp(x: Tensor, axis = -1): Tensor {
  if (x.rank === 0 || x.dtype !== 'float32') {
    throw new SpectraError('SHAPE', {
      message: `needs float32 of rank ≥ 1, got ${x.dtype} of rank ${x.rank}.`,
      where: 'logSumExp',
    });
  }
  checkValue(
    Number.isInteger(axis) && axis >= -x.rank && axis < x.rank,
    `there is no axis ${axis}.`,
    'logSumExp',
  );
  return op({ x }, { axis: util.parseAxisParam(axis, x.shape)[0]! })[0]!;
}
