import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';

beforeAll(testBackend);

const REDUCTIONS = {
  sum: { start: 0, join: (a: number, b: number) => a + b },
  max: {
    start: Number.NEGATIVE_INFINITY,
    join: (a: number, b: number) => (a > b || Number.isNaN(a) ? a : b),
  },
};

const OPS = { sum: tf.sum, mean: tf.mean, max: tf.max };

function reduced(values: ArrayLike<number>, shape: number[], axes: number[], kind: 'sum' | 'max'): number[] {
  const kept = shape.map((size, i) => (axes.includes(i) ? 1 : size));
  const strides = tf.util.computeStrides(kept).concat(1);
  const out = new Array<number>(tf.util.sizeFromShape(kept)).fill(REDUCTIONS[kind].start);
  for (let i = 0; i < values.length; i++) {
    let [to, rest] = [0, i];
    for (let d = shape.length - 1; d >= 0; d--) {
      if (!axes.includes(d)) to += (rest % shape[d]!) * strides[d]!;
      rest = Math.floor(rest / shape[d]!);
    }
    out[to] = REDUCTIONS[kind].join(out[to]!, values[i]!);
  }
  return out;
}

const shapes = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.constantFrom(0, 1, 19, 40)), {
  minLength: 1,
  maxLength: 4,
});
const cases = shapes.chain(shape =>
  fc.tuple(fc.constant(shape), fc.subarray(shape.map((_, i) => i)), fc.boolean()),
);

test('sum, mean and max over any axes', () => {
  fc.assert(
    fc.property(cases, ([shape, axes, keepDims]) => {
      const values = Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) =>
        Math.fround(Math.sin(i * 12.9898)),
      );
      const x = tf.tensor(values, shape);
      const over = axes.length === 0 ? shape.map((_, i) => i) : axes;
      const sum = reduced(values, shape, over, 'sum');
      const count = over.reduce((size, axis) => size * shape[axis]!, 1);
      const expected = { sum, mean: sum.map(s => s / count), max: reduced(values, shape, over, 'max') };
      for (const kind of ['sum', 'mean', 'max'] as const) {
        const out = OPS[kind](x, over, keepDims);
        expect(out.shape).toEqual(
          keepDims
            ? shape.map((size, i) => (over.includes(i) ? 1 : size))
            : shape.filter((_, i) => !over.includes(i)),
        );
        const found = out.dataSync();
        expected[kind].forEach((value, i) => {
          if (Number.isFinite(value))
            expect(Math.abs(found[i]! - value)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(value)));
          else expect(found[i]).toBe(value);
        });
        out.dispose();
      }
      x.dispose();
    }),
    { numRuns: 200, seed: 3 },
  );
});

test('a long sum keeps its accuracy', () => {
  const x = tf.fill([1_000_000], 0.1);
  expect(Math.abs(tf.sum(x).dataSync()[0]! / 100_000 - 1)).toBeLessThan(2e-6);
  x.dispose();
});

test('NaN and infinities reach the result', () => {
  const x = tf.tensor2d([
    [1, Number.NaN, 2, 3, 4],
    [1, Number.NEGATIVE_INFINITY, 2, 3, 4],
    [1, Number.POSITIVE_INFINITY, 2, 3, 9],
  ]);
  expect(Array.from(tf.max(x, 1).dataSync())).toEqual([Number.NaN, 4, Number.POSITIVE_INFINITY]);
  expect(Array.from(tf.max(x, 0).dataSync())).toEqual([1, Number.NaN, 2, 3, 9]);
  expect(Array.from(tf.sum(x, 1).dataSync())).toEqual([
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    Number.POSITIVE_INFINITY,
  ]);
});
