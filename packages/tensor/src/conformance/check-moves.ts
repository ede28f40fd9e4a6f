/** Operations that only move elements: exact values, and the same for every dtype. */
import * as tf from '@tensorflow/tfjs-core';
import { checkOp, integers, intTensor, sample } from './check.ts';
import type { NdArray } from './reference.ts';

/** Checks a float32 operation with its gradient, and the same one on int32 and bool. */
export async function checkMoves(
  title: string,
  shapes: readonly (readonly number[])[],
  op: (...xs: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
  move: (...xs: NdArray[]) => NdArray | NdArray[],
): Promise<void> {
  await checkOp(title, {
    inputs: shapes.map((shape, i) => sample(title, shape, i)),
    op,
    reference: move,
    exact: true,
  });
  const whole = shapes.map((shape, i) => integers(`${title} ${i}`, shape, -100, 100));
  await checkOp(`${title} of int32`, {
    inputs: [],
    op: () => op(...whole.map(intTensor)),
    reference: () => move(...whole),
    dtype: 'int32',
  });
  const truth = shapes.map((shape, i) => integers(`${title} ${i}`, shape, 0, 2));
  await checkOp(`${title} of bool`, {
    inputs: [],
    op: () => op(...truth.map(x => tf.cast(intTensor(x), 'bool'))),
    reference: () => move(...truth),
    dtype: 'bool',
  });
}
