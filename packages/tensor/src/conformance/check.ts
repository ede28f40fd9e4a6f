/** Holds an operation of the selected backend to its float64 reference: values, dtypes, gradients, leaks. */
import { backendUnderTest, toleranceFactor } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import { Rng } from '../rng.ts';
import { build, NdArray } from './reference.ts';

type Arrays = NdArray | NdArray[];
type Tensors = tf.Tensor | tf.Tensor[];

export interface OpCase {
  /** Differentiable float32 inputs; anything else the two functions bring along themselves. */
  readonly inputs: readonly NdArray[];
  readonly op: (...inputs: tf.Tensor[]) => Tensors;
  readonly reference: (...inputs: NdArray[]) => Arrays;
  /** Of the outputs; float32 by default. */
  readonly dtype?: tf.DataType;
  /** Whether to hold the gradient to central differences of the reference; true for float32 outputs. */
  readonly gradient?: boolean;
  /** Error allowed per unit of the largest magnitude (or of 1); 1e-6 by default, ten times that on webgpu. */
  readonly tolerance?: number;
  /** The values must be equal, the gradient within the tolerance: for operations that only move elements. */
  readonly exact?: boolean;
}

const STEP = 1e-5;

export async function checkOp(title: string, c: OpCase): Promise<void> {
  const before = tf.memory().numTensors;
  const inputs = c.inputs.map(tensorOf);
  const expected = list(c.reference(...c.inputs));
  const got = list(tf.tidy(() => c.op(...inputs)));
  const dtype = c.dtype ?? 'float32';
  const tolerance = (c.tolerance ?? 1e-6) * toleranceFactor();
  expect(got.length, `${title}: number of outputs`).toBe(expected.length);
  for (const [i, tensor] of got.entries()) {
    expect(tensor.dtype, `${title}: dtype`).toBe(dtype);
    await expectNear(title, tensor, expected[i]!, dtype === 'float32' && c.exact !== true ? tolerance : 0);
  }
  tf.dispose(got);
  if (c.gradient ?? dtype === 'float32') await checkGradient(title, c, inputs, expected, 5 * tolerance);
  tf.dispose(inputs);
  expect(tf.memory().numTensors, `${title}: tensors left behind`).toBe(before);
}

async function checkGradient(
  title: string,
  c: OpCase,
  inputs: tf.Tensor[],
  outputs: readonly NdArray[],
  tolerance: number,
): Promise<void> {
  const cotangents = outputs.map((out, i) => sample('cotangent', out.shape, i));
  const grads = tf.grads((...xs: tf.Tensor[]) =>
    list(c.op(...xs))
      .map((out, i) => tf.sum(tf.mul(out, tensorOf(cotangents[i]!))))
      .reduce((a, b) => tf.add(a, b)),
  )(inputs);
  const loss = (xs: NdArray[]): number =>
    list(c.reference(...xs)).reduce(
      (total, out, i) => total + out.data.reduce((s, v, k) => s + v * cotangents[i]!.data[k]!, 0),
      0,
    );
  for (const [i, x] of c.inputs.entries()) {
    const moved = (k: number, by: number): NdArray[] =>
      c.inputs.map((y, j) =>
        j === i
          ? new NdArray(
              x.shape,
              x.data.map((v, at) => (at === k ? v + by : v)),
            )
          : y,
      );
    const numeric = x.data.map((_, k) => (loss(moved(k, STEP)) - loss(moved(k, -STEP))) / (2 * STEP));
    await expectNear(`${title}, gradient of input ${i}`, grads[i]!, new NdArray(x.shape, numeric), tolerance);
  }
  tf.dispose(grads);
}

async function expectNear(
  title: string,
  tensor: tf.Tensor,
  expected: NdArray,
  tolerance: number,
): Promise<void> {
  expect(tensor.shape, `${title}: shape`).toEqual([...expected.shape]);
  const got = await tensor.data();
  const finite = expected.data.filter(Number.isFinite).map(Math.abs);
  const allowed =
    tolerance *
    Math.max(
      1,
      finite.reduce((a, b) => Math.max(a, b), 0),
    );
  expected.data.forEach((want, i) => {
    // 0 and −0 are one number
    const same = got[i] === want || (Number.isNaN(want) && Number.isNaN(got[i]));
    if (same || Math.abs(got[i]! - want) <= allowed) return;
    expect.fail(
      `${title} on ${backendUnderTest()}: element ${i} is ${got[i]}, expected ${want} ± ${allowed}`,
    );
  });
}

export function tensorOf(x: NdArray): tf.Tensor {
  return tf.tensor(Float32Array.from(x.data), [...x.shape], 'float32');
}

export function intTensor(x: NdArray): tf.Tensor {
  return tf.tensor(Int32Array.from(x.data), [...x.shape], 'int32');
}

function list<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value];
}

const rng = new Rng(2026);

/** Normal numbers that float32 holds, the same for the same name, shape and index. */
export function sample(name: string, shape: readonly number[], index = 0): NdArray {
  const stream = rng.split(`${name} ${shape.join('x')}`, index);
  return build(shape, () => Math.fround(stream.normal()));
}

/** Like `sample`, between low and high. */
export function uniform(name: string, shape: readonly number[], low: number, high: number): NdArray {
  const stream = rng.split(`${name} ${shape.join('x')}`, 1);
  return build(shape, () => Math.fround(stream.uniform(low, high)));
}

/** Numbers that differ by 0.05 at least and keep that far from 0, in random order: for functions with kinks. */
export function distinct(name: string, shape: readonly number[]): NdArray {
  const order = rng.split(`${name} ${shape.join('x')}`, 2).permutation(build(shape, () => 0).data.length);
  return new NdArray(
    shape,
    Array.from(order, at => Math.fround(0.05 * (at - Math.floor(order.length / 2)) + 0.025)),
  );
}

export function integers(name: string, shape: readonly number[], low: number, high: number): NdArray {
  const stream = rng.split(`${name} ${shape.join('x')}`, 3);
  return build(shape, () => low + stream.integer(high - low));
}
