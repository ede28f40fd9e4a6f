import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';

beforeAll(testBackend);

const SPECIAL = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1, -1, 1e-40, 3e38];

describe('functions of one number', () => {
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  const cases: [string, (x: tf.Tensor) => tf.Tensor, (x: number) => number, number, number][] = [
    ['exp', tf.exp, Math.exp, -87, 88],
    ['log', tf.log, Math.log, 0, 50],
    ['sigmoid', tf.sigmoid, sigmoid, -30, 30],
    ['tanh', tf.tanh, Math.tanh, -10, 10],
    ['softplus', tf.softplus, softplus, -30, 30],
    ['sqrt', tf.sqrt, Math.sqrt, 0, 100],
    ['rsqrt', tf.rsqrt, x => 1 / Math.sqrt(x), 0.001, 100],
    ['reciprocal', tf.reciprocal, x => 1 / x, 0.01, 100],
  ];
  test.each(cases)('%s to 3 ulp', (_, op, exact, low, high) => {
    const values = Float32Array.from({ length: 20_003 }, (_, i) => {
      const x = low + ((high - low) * i) / 20_002;
      return i % 3 === 0 ? x * 2 ** -(i % 20) : x;
    });
    const x = tf.tensor1d(values);
    const y = op(x);
    const found = y.dataSync();
    let worst = 0;
    values.forEach((value, i) => {
      const expected = exact(value);
      const ulp = 2 ** (Math.max(-126, Math.floor(Math.log2(Math.abs(expected)))) - 23);
      if (Math.abs(expected) > 1e-37 && Number.isFinite(expected)) {
        worst = Math.max(worst, Math.abs(found[i]! - expected) / ulp);
      }
    });
    expect(worst).toBeLessThan(3);
    tf.dispose([x, y]);
  });
  test.each(cases)('%s of special values', (_, op, exact) => {
    const x = tf.tensor1d(SPECIAL);
    const y = op(x);
    SPECIAL.forEach((value, i) => {
      const expected = Math.fround(exact(Math.fround(value)));
      const found = y.dataSync()[i]!;
      if (Number.isFinite(expected))
        expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(expected)));
      else expect(found).toBe(expected);
    });
    tf.dispose([x, y]);
  });
  test('sign', () => {
    const x = tf.tensor1d([...SPECIAL, -3, 5, -1e-40]);
    const y = tf.sign(x);
    expect([...y.dataSync()].map(v => v + 0)).toEqual([0, 0, 0, 1, -1, 1, -1, 1, 1, -1, 1, -1]);
    tf.dispose([x, y]);
  });
  test('erf', async () => {
    const x = tf.tensor1d([-6, -1, -0.5, 0, 0.25, 1, 2, 6]);
    const y = tf.erf(x);
    await expectClose(y, [-1, -0.8427007929, -0.5204998778, 0, 0.2763263902, 0.8427007929, 0.995322265, 1], {
      tolerance: 3e-7,
    });
    tf.dispose([x, y]);
  });
});

test('softmax rows add up, survive −∞ and large logits, and spread NaN', async () => {
  const rows = [
    [1000, 1001, 999, 0, 5],
    [Number.NEGATIVE_INFINITY, 0, 0, Number.NEGATIVE_INFINITY, 0],
    [-1e30, -1e30, -1e30, -1e30, -1e30],
    [1, Number.NaN, 1, 1, 1],
  ];
  const x = tf.tensor2d(rows);
  const y = tf.softmax(x);
  const e = Math.exp(-1);
  const total = 1 + e + e * e;
  await expectClose(
    tf.slice(y, [0, 0], [3, 5]),
    [
      ...[e / total, 1 / total, (e * e) / total, 0, 0],
      ...[0, 1 / 3, 1 / 3, 0, 1 / 3],
      ...[0.2, 0.2, 0.2, 0.2, 0.2],
    ],
    { tolerance: 2e-7 },
  );
  expect(Array.from(y.dataSync().slice(15))).toEqual(new Array(5).fill(Number.NaN));
});

describe('two arrays that broadcast', () => {
  const OPS: Record<string, [(a: tf.Tensor, b: tf.Tensor) => tf.Tensor, (a: number, b: number) => number]> = {
    maximum: [tf.maximum, Math.max],
    minimum: [tf.minimum, Math.min],
    greater: [tf.greater, (a, b) => +(a > b)],
    greaterEqual: [tf.greaterEqual, (a, b) => +(a >= b)],
    less: [tf.less, (a, b) => +(a < b)],
    lessEqual: [tf.lessEqual, (a, b) => +(a <= b)],
    equal: [tf.equal, (a, b) => +(a === b)],
    notEqual: [tf.notEqual, (a, b) => +(a !== b)],
  };
  const shape = fc.array(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constantFrom(0, 1, 9, 17)), {
    maxLength: 4,
  });
  const pair = shape.chain(full =>
    fc.tuple(
      fc.constant(full),
      fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
      fc.array(fc.boolean(), { minLength: full.length, maxLength: full.length }),
      fc.integer({ min: 0, max: full.length }),
      fc.constantFrom('float32' as const, 'int32' as const),
    ),
  );
  test('any shapes', () => {
    fc.assert(
      fc.property(pair, ([full, aOnes, bOnes, dropped, dtype]) => {
        const shapeA = full.map((size, i) => (aOnes[i] ? 1 : size));
        const shapeB = full.map((size, i) => (bOnes[i] ? 1 : size)).slice(dropped);
        const data = (size: number, salt: number): number[] =>
          Array.from({ length: size }, (_, i) =>
            dtype === 'float32' && (i + salt) % 11 === 10 ? Number.NaN : ((i + salt) * 7) % 5,
          );
        const [a, b] = [shapeA, shapeB].map((s, salt) =>
          tf.tensor(data(tf.util.sizeFromShape(s), salt), s, dtype),
        ) as [tf.Tensor, tf.Tensor];
        const out = tf.broadcast_util.assertAndGetBroadcastShape(shapeA, shapeB);
        const at = (x: tf.Tensor, index: number): number => {
          let [place, stride, rest] = [0, 1, index];
          for (let d = 1; d <= out.length; d++) {
            const size = x.shape[x.shape.length - d] ?? 1;
            if (size > 1) place += (rest % out[out.length - d]!) * stride;
            rest = Math.floor(rest / out[out.length - d]!);
            stride *= size;
          }
          return x.dataSync()[place]!;
        };
        for (const [op, exact] of Object.values(OPS)) {
          const found = op(a, b);
          expect(found.shape).toEqual(out);
          const expected = Array.from({ length: found.size }, (_, i) => exact(at(a, i), at(b, i)));
          expect(Array.from(found.dataSync())).toEqual(expected);
          found.dispose();
        }
        tf.dispose([a, b]);
      }),
      { numRuns: 150, seed: 11 },
    );
  });
});

test('where takes each element from its side, NaN on the other side or not', () => {
  const n = 37;
  const condition = tf.tensor1d(
    Array.from({ length: n }, (_, i) => i % 3 === 0),
    'bool',
  );
  const a = tf.tensor1d(Array.from({ length: n }, (_, i) => (i % 3 === 0 ? i : Number.NaN)));
  const b = tf.tensor1d(Array.from({ length: n }, (_, i) => (i % 3 === 0 ? Number.NaN : -i)));
  expect(Array.from(tf.where(condition, a, b).dataSync())).toEqual(
    Array.from({ length: n }, (_, i) => (i % 3 === 0 ? i : -i)),
  );
});

test('float32 to int32 truncates', () => {
  const x = tf.tensor1d([1.9, -1.9, 0, -0.5, 1e6 + 0.5, Number.NaN]);
  expect(Array.from(tf.cast(x, 'int32').dataSync())).toEqual([1, -1, 0, 0, 1_000_000, 0]);
});
