import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';

beforeAll(testBackend);

const size = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(1, 9, 20));
const shapes = fc.array(size, { minLength: 1, maxLength: 4 });
const DTYPES = ['float32', 'int32', 'bool'] as const;

function values(shape: number[], dtype: string): number[] {
  return Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => (dtype === 'bool' ? (i % 3) & 1 : i));
}

/** The element that `place` maps each index of `out` to. */
function picked(
  data: number[],
  shape: number[],
  out: number[],
  place: (index: number[]) => number[],
): number[] {
  const strides = [...tf.util.computeStrides(shape), 1];
  return Array.from({ length: tf.util.sizeFromShape(out) }, (_, flat) => {
    const index: number[] = [];
    for (let d = out.length - 1, rest = flat; d >= 0; d--) {
      index.unshift(rest % out[d]!);
      rest = Math.floor(rest / out[d]!);
    }
    return data[place(index).reduce((sum, at, d) => sum + at * strides[d]!, 0)]!;
  });
}

test('slices', () => {
  const cases = shapes.chain(shape =>
    fc.tuple(
      fc.constant(shape),
      fc.tuple(...shape.map(n => fc.tuple(fc.nat(n), fc.nat(n)))),
      fc.constantFrom(...DTYPES),
    ),
  );
  fc.assert(
    fc.property(cases, ([shape, ends, dtype]) => {
      const begin = ends.map(([a, b]) => Math.min(a, b));
      const count = ends.map(([a, b]) => Math.abs(a - b));
      const data = values(shape, dtype);
      const x = tf.tensor(data, shape, dtype);
      const out = tf.slice(x, begin, count);
      expect(out.shape).toEqual(count);
      expect(Array.from(out.dataSync())).toEqual(
        picked(data, shape, count, index => index.map((at, d) => at + begin[d]!)),
      );
      tf.dispose([x, out]);
    }),
    { numRuns: 200, seed: 1 },
  );
});

test('tiles', () => {
  const cases = shapes.chain(shape =>
    fc.tuple(
      fc.constant(shape),
      fc.tuple(...shape.map(() => fc.integer({ min: 0, max: 3 }))),
      fc.constantFrom(...DTYPES),
    ),
  );
  fc.assert(
    fc.property(cases, ([shape, reps, dtype]) => {
      fc.pre(dtype !== 'bool' || !reps.includes(0));
      const data = values(shape, dtype);
      const x = tf.tensor(data, shape, dtype);
      const out = tf.tile(x, reps);
      const outShape = shape.map((n, d) => n * reps[d]!);
      expect(out.shape).toEqual(outShape);
      expect(Array.from(out.dataSync())).toEqual(
        picked(data, shape, outShape, index => index.map((at, d) => at % shape[d]!)),
      );
      tf.dispose([x, out]);
    }),
    { numRuns: 200, seed: 2 },
  );
});

test('gathers along any axis', () => {
  const cases = shapes.chain(shape =>
    fc
      .nat(shape.length - 1)
      .chain(axis =>
        fc.tuple(
          fc.constant(shape),
          fc.constant(axis),
          fc.array(fc.nat(shape[axis]! - 1), { maxLength: 7 }),
          fc.constantFrom(...DTYPES),
        ),
      ),
  );
  fc.assert(
    fc.property(cases, ([shape, axis, indices, dtype]) => {
      fc.pre(dtype !== 'bool' || indices.length > 0);
      const data = values(shape, dtype);
      const x = tf.tensor(data, shape, dtype);
      const ids = tf.tensor1d(indices, 'int32');
      const out = tf.gather(x, ids, axis);
      const outShape = shape.map((n, d) => (d === axis ? indices.length : n));
      expect(out.shape).toEqual(outShape);
      expect(Array.from(out.dataSync())).toEqual(
        picked(data, shape, outShape, index => index.map((at, d) => (d === axis ? indices[at]! : at))),
      );
      tf.dispose([x, ids, out]);
    }),
    { numRuns: 200, seed: 3 },
  );
});

test('an index outside the axis is refused', () => {
  const x = tf.tensor1d([1, 2, 3]);
  expect(() => tf.gather(x, tf.tensor1d([0, 3], 'int32'))).toThrow(/index value 3/);
});
