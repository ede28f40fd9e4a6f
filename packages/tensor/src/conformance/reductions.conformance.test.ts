import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkOp, distinct, integers, intTensor, sample } from './check.ts';
import { reduce } from './reference.ts';
import * as reference from './reference-ops.ts';

beforeAll(testBackend);

/** Shapes and the axes to reduce; `undefined` is all. */
const AXES: (readonly [number[], number[] | undefined])[] = [
  [[], undefined],
  [[6], [0]],
  [[3, 5], [0]],
  [[3, 5], [1]],
  [[3, 5], undefined],
  [[2, 3, 4], [1]],
  [
    [2, 3, 4],
    [0, 2],
  ],
  [
    [2, 1, 3, 2],
    [1, 3],
  ],
  [
    [2, 2, 1, 3, 2],
    [0, 3],
  ],
  [[1, 70], [1]],
];
/** Reductions of nothing, and to nothing. */
const EMPTY: (readonly [number[], number[]])[] = [
  [[0], [0]],
  [[0, 3], [0]],
  [[3, 0], [0]],
  [[2, 0, 3], [1]],
];

const mean = (values: number[]): number => reference.sum(values) / values.length;
const product = (values: number[]): number => values.reduce((a, b) => a * b, 1);

interface Reduction {
  readonly op: (x: tf.Tensor, axes?: number[], keep?: boolean) => tf.Tensor;
  readonly f: (values: number[]) => number;
  readonly domain?: typeof sample;
}
const REDUCTIONS: Record<string, Reduction> = {
  sum: { op: tf.sum, f: reference.sum },
  mean: { op: tf.mean, f: mean },
  max: { op: tf.max, f: values => Math.max(...values), domain: distinct },
  min: { op: tf.min, f: values => Math.min(...values), domain: distinct },
};

describe('reductions', () => {
  it.each(Object.keys(REDUCTIONS))('%s', async name => {
    const { op, f, domain = sample } = REDUCTIONS[name]!;
    for (const [shape, axes] of [...AXES, ...EMPTY]) {
      for (const keep of [false, true]) {
        await checkOp(`${name} of [${shape}] over ${axes}`, {
          inputs: [domain(name, shape)],
          op: x => op(x!, axes, keep),
          reference: x => reduce(x!, axes ?? shape.map((_, i) => i), f, keep),
          gradient: !keep || shape.length < 3,
        });
      }
    }
  });

  it('product', async () => {
    for (const [shape, axes] of [...AXES, ...EMPTY]) {
      await checkOp(`product of [${shape}]`, {
        inputs: [sample('product', shape)],
        op: x => tf.prod(x!, axes),
        reference: x => reduce(x!, axes ?? shape.map((_, i) => i), product),
        gradient: false,
      });
    }
  });

  it.each([
    ['sum', tf.sum, reference.sum],
    ['max', tf.max, (values: number[]) => Math.max(...values)],
    ['min', tf.min, (values: number[]) => Math.min(...values)],
  ] as const)('%s of int32', async (name, op, f) => {
    for (const [shape, axes] of AXES) {
      const x = integers(name, shape, -50, 50);
      await checkOp(`${name} of int32 [${shape}]`, {
        inputs: [],
        op: () => op(intTensor(x), axes),
        reference: () => reduce(x, axes ?? shape.map((_, i) => i), f),
        dtype: 'int32',
      });
    }
  });

  it.each([
    ['all', tf.all, (values: number[]) => Number(values.every(v => v !== 0))],
    ['any', tf.any, (values: number[]) => Number(values.some(v => v !== 0))],
  ] as const)('%s', async (name, op, f) => {
    for (const [shape, axes] of [...AXES, ...EMPTY]) {
      const x = integers(name, shape, 0, 2);
      await checkOp(`${name} of [${shape}]`, {
        inputs: [],
        op: () => op(tf.cast(intTensor(x), 'bool'), axes),
        reference: () => reduce(x, axes ?? shape.map((_, i) => i), f),
        dtype: 'bool',
      });
    }
  });

  it.each([
    ['argMax', tf.argMax, (values: number[]) => values.indexOf(Math.max(...values))],
    ['argMin', tf.argMin, (values: number[]) => values.indexOf(Math.min(...values))],
  ] as const)('%s, the first of equal ones', async (name, op, f) => {
    for (const [shape, axes] of AXES) {
      const axis = axes?.[0];
      if (axis === undefined) continue;
      for (const x of [sample(name, shape), integers(name, shape, 0, 3)]) {
        await checkOp(`${name} of [${shape}] over ${axis}`, {
          inputs: [],
          op: () => op(tf.tensor([...x.data], shape, 'float32'), axis),
          reference: () => reduce(x, [axis], f),
          dtype: 'int32',
        });
      }
    }
  });
});

describe('cumulative sums', () => {
  it('along every axis, exclusive and reversed', async () => {
    for (const shape of [[5], [9], [3, 4], [2, 3, 2], [2, 1, 3, 2], [2, 1, 2, 2, 3], [0, 2]]) {
      for (let axis = 0; axis < shape.length; axis++) {
        const [exclusive, reversed] = [(axis + shape.length) % 2 === 0, axis % 2 === 0];
        for (const flip of [false, true]) {
          await checkOp(`cumsum of [${shape}] along ${axis}, ${exclusive}, ${reversed !== flip}`, {
            inputs: [sample('cumsum', shape)],
            op: x => tf.cumsum(x!, axis, exclusive, reversed !== flip),
            reference: x => reference.cumsum(x!, axis, exclusive, reversed !== flip),
          });
        }
      }
    }
  });

  it('of int32', async () => {
    for (const shape of [[300], [20, 3]]) {
      const x = integers('cumsum', shape, 0, 9);
      await checkOp(`cumsum of int32 [${shape}]`, {
        inputs: [],
        op: () => tf.cumsum(intTensor(x), 0, true),
        reference: () => reference.cumsum(x, 0, true, false),
        dtype: 'int32',
      });
    }
  });
});
