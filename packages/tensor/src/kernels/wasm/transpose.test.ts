import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';

beforeAll(testBackend);

function permuted(values: ArrayLike<number>, shape: number[], perm: number[]): number[] {
  const strides = tf.util.computeStrides(shape).concat(1);
  const outShape = perm.map(axis => shape[axis]!);
  return Array.from({ length: values.length }, (_, index) => {
    let [from, rest] = [0, index];
    for (let d = perm.length - 1; d >= 0; d--) {
      from += (rest % outShape[d]!) * strides[perm[d]!]!;
      rest = Math.floor(rest / outShape[d]!);
    }
    return values[from]!;
  });
}

test('any shape and permutation, float32, int32 and bool', () => {
  const shapes = fc.array(fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 17, 33)), {
    minLength: 1,
    maxLength: 5,
  });
  const cases = shapes.chain(shape =>
    fc.tuple(
      fc.constant(shape),
      fc.shuffledSubarray(
        shape.map((_, i) => i),
        { minLength: shape.length },
      ),
      fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const),
    ),
  );
  fc.assert(
    fc.property(cases, ([shape, perm, dtype]) => {
      fc.pre(tf.util.sizeFromShape(shape) < 20_000);
      const values = Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) =>
        dtype === 'bool' ? (i % 3) & 1 : i,
      );
      const x = tf.tensor(values, shape, dtype);
      const out = tf.transpose(x, perm);
      expect(out.shape).toEqual(perm.map(axis => shape[axis]));
      expect(Array.from(out.dataSync())).toEqual(permuted(values, shape, perm));
      tf.dispose([x, out]);
    }),
    { numRuns: 300, seed: 5 },
  );
});
