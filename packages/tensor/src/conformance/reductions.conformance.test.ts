import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { logSumExp } from '../ops/log-sum-exp.ts';
import { normalise } from '../ops/normalise.ts';
import { checkOp, distinct, integers, intTensor, sample } from './check.ts';
import { map, NdArray, reduce, zip } from './reference.ts';
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

describe('rows', () => {
  const ROWS = [[6], [3, 5], [2, 3, 4], [1, 2, 2, 3], [2, 1, 2, 1, 3], [3, 1], [0, 4]];

  it('softmax', async () => {
    for (const shape of ROWS) {
      await checkOp(`softmax [${shape}]`, {
        inputs: [sample('softmax', shape)],
        op: x => tf.softmax(x!),
        reference: x => reference.softmax(x!),
      });
    }
  });

  it('log softmax', async () => {
    for (const shape of ROWS) {
      await checkOp(`log softmax [${shape}]`, {
        inputs: [sample('log softmax', shape)],
        op: x => tf.logSoftmax(x!),
        reference: x => map(reference.softmax(x!), Math.log),
      });
    }
  });

  it('logSumExp', async () => {
    for (const shape of ROWS) {
      for (const axis of [0, shape.length - 1]) {
        if (shape[axis] === 0) continue;
        await checkOp(`logSumExp [${shape}] over ${axis}`, {
          inputs: [sample('logSumExp', shape)],
          op: x => logSumExp(x!, axis),
          reference: x => reference.logSumExp(x!, axis),
        });
      }
    }
  });

  it('logSumExp of masked rows, with gradient 0', async () => {
    const x = new NdArray([3, 3], [-Infinity, -Infinity, -Infinity, 0, -Infinity, 1, -1e30, 5, -1e30]);
    await checkOp('logSumExp', {
      inputs: [x],
      op: y => logSumExp(y!),
      reference: y => reference.logSumExp(y!, 1),
      gradient: false,
    });
    await checkOp('gradient of logSumExp', {
      inputs: [x],
      op: y => tf.grad((v: tf.Tensor) => logSumExp(v))(y!),
      reference: () => {
        const share = 1 / (1 + Math.E);
        return new NdArray([3, 3], [0, 0, 0, share, 0, 1 - share, 0, 1, 0]);
      },
      gradient: false,
    });
    await checkOp('logSumExp of nothing', {
      inputs: [],
      op: () => logSumExp(tf.zeros([2, 0])),
      reference: () => new NdArray([2], [-Infinity, -Infinity]),
      gradient: false,
    });
  });

  it('normalise', async () => {
    for (const shape of ROWS) {
      const unit = (x: NdArray): NdArray =>
        zip((v, s) => v / Math.sqrt(s))(
          x,
          reduce(
            map(x, v => v * v),
            [shape.length - 1],
            reference.sum,
            true,
          ),
        );
      await checkOp(`normalise [${shape}]`, {
        inputs: [sample('normalise', shape)],
        op: x => normalise(x!),
        reference: x => unit(x!),
      });
    }
  });

  it('normalise of short vectors: 0 with gradient 0', async () => {
    const x = new NdArray([3, 2], [0, 0, 6e-7, -6e-7, 3e-6, 4e-6]);
    await checkOp('normalise', {
      inputs: [x],
      op: y => normalise(y!),
      reference: () => new NdArray([3, 2], [0, 0, 0, 0, 0.6, 0.8]),
      gradient: false,
    });
    await checkOp('gradient of normalise', {
      inputs: [x],
      op: y => tf.slice(tf.grad((v: tf.Tensor) => tf.sum(normalise(v)))(y!), [0, 0], [2, 2]),
      reference: () => new NdArray([2, 2], [0, 0, 0, 0]),
      gradient: false,
    });
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
