import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';

beforeAll(testBackend);

const size = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(1, 9, 20));
const cases = fc.array(size, { minLength: 1, maxLength: 4 }).chain(shape =>
  fc.record({
    shape: fc.constant(shape),
    axis: fc.integer({ min: -shape.length, max: shape.length - 1 }),
    parts: fc.array(fc.constantFrom<number>(0, 1, 2, 7, 16), { minLength: 1, maxLength: 4 }),
    dtype: fc.constantFrom('float32' as const, 'int32' as const, 'bool' as const),
  }),
);

/** `shape` with `length` along `axis`. */
function part(shape: number[], axis: number, length: number): number[] {
  return shape.with(axis, length);
}

test('a split gives back what was joined, and each element is where it was', () => {
  fc.assert(
    fc.property(cases, ({ shape, axis, parts, dtype }) => {
      fc.pre(parts.some(n => n > 0) && (dtype !== 'bool' || !parts.includes(0)));
      const arrays = parts.map((length, p) => {
        const count = tf.util.sizeFromShape(part(shape, axis, length));
        return Array.from({ length: count }, (_, i) => (dtype === 'bool' ? (i + p) & 1 : 1000 * p + i));
      });
      const before = tf.memory().numTensors;
      tf.tidy(() => {
        const tensors: tf.Tensor[] = arrays.map((values, p) =>
          tf.tensor(values, part(shape, axis, parts[p]!), dtype),
        );
        const joined = tf.concat(tensors, axis);
        expect(joined.shape).toEqual(
          part(
            shape,
            axis,
            parts.reduce((sum, n) => sum + n, 0),
          ),
        );
        const at = axis < 0 ? axis + shape.length : axis;
        const inner = tf.util.sizeFromShape(shape.slice(at + 1));
        const outer = tf.util.sizeFromShape(shape.slice(0, at));
        const wanted = Array.from({ length: outer }, (_, o) =>
          arrays.flatMap((values, p) => values.slice(o * parts[p]! * inner, (o + 1) * parts[p]! * inner)),
        ).flat();
        expect(Array.from(joined.dataSync())).toEqual(wanted);
        for (const [p, piece] of tf.split(joined, parts, axis).entries()) {
          expect(piece.shape).toEqual(tensors[p]!.shape);
          expect(Array.from(piece.dataSync())).toEqual(arrays[p]);
        }
      });
      expect(tf.memory().numTensors).toBe(before);
    }),
    { numRuns: 200, seed: 4 },
  );
});
