import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';

beforeAll(testBackend);

/** [batch, rows, columns] as the stored matrix, transposed or not. */
function random(shape: number[], seed: number): tf.Tensor {
  let state = seed | 1;
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  });
  return tf.tensor(values, shape);
}

/** op(A)·op(B) in float64 with broadcast batch axes. */
function product(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): Float64Array {
  const [x, y] = [a.dataSync(), b.dataSync()];
  const [aRows, aCols] = a.shape.slice(-2) as [number, number];
  const [bRows, bCols] = b.shape.slice(-2) as [number, number];
  const [m, k, n] = [transposeA ? aCols : aRows, transposeA ? aRows : aCols, transposeB ? bRows : bCols];
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const matrix = (shape: number[], index: number): number => {
    let [at, stride, rest] = [0, 1, index];
    for (let d = 1; d <= batch.length; d++) {
      const place = rest % (batch[batch.length - d] as number);
      rest = Math.floor(rest / (batch[batch.length - d] as number));
      const size = shape[shape.length - 2 - d] ?? 1;
      if (size > 1) at += place * stride;
      stride *= size;
    }
    return at;
  };
  const out = new Float64Array(tf.util.sizeFromShape(batch) * m * n);
  for (let i = 0, at = 0; i < tf.util.sizeFromShape(batch); i++) {
    const [fromA, fromB] = [matrix(a.shape, i) * m * k, matrix(b.shape, i) * k * n];
    for (let r = 0; r < m; r++) {
      for (let c = 0; c < n; c++, at++) {
        for (let p = 0; p < k; p++) {
          out[at]! +=
            x[fromA + (transposeA ? p * m + r : r * k + p)]! *
            y[fromB + (transposeB ? c * k + p : p * n + c)]!;
        }
      }
    }
  }
  return out;
}

function check(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): void {
  const expected = product(a, b, transposeA, transposeB);
  const out = tf.matMul(a, b, transposeA, transposeB);
  const found = out.dataSync();
  expect(found.length).toBe(expected.length);
  let worst = 0;
  for (let i = 0; i < found.length; i++) worst = Math.max(worst, Math.abs(found[i]! - expected[i]!));
  const k = a.shape.at(transposeA ? -2 : -1) as number;
  expect(worst).toBeLessThanOrEqual(1e-5 * Math.sqrt(k + 1));
  tf.dispose([a, b, out]);
}

describe('matrix product', () => {
  test('any size, transposed or not', () => {
    const size = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constantFrom(64, 97, 255, 256, 257, 300));
    fc.assert(
      fc.property(size, size, size, fc.boolean(), fc.boolean(), fc.integer(), (m, k, n, ta, tb, seed) => {
        check(random(ta ? [k, m] : [m, k], seed), random(tb ? [n, k] : [k, n], seed + 1), ta, tb);
      }),
      { numRuns: 80, seed: 7 },
    );
  });

  test('a row alone has the bits that it has among others', () => {
    const [a, b] = [random([9, 700], 1), random([700, 1100], 2)];
    const all = tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D);
    for (const row of [0, 8]) {
      const one = tf.matMul(tf.slice(a, [row, 0], [1, 700]) as tf.Tensor2D, b as tf.Tensor2D);
      expect(one.dataSync()).toEqual(tf.slice(all, [row, 0], [1, 1100]).dataSync());
    }
  });

  test('more columns than a block holds', () => {
    for (const m of [1, 3, 30]) check(random([m, 20], 1), random([20, 1037], 2), false, false);
    check(random([130, 20], 1), random([1100, 20], 2), false, true);
  });

  test('batch axes broadcast', () => {
    const cases: [number[], number[]][] = [
      [
        [2, 3],
        [2, 3],
      ],
      [
        [2, 3],
        [1, 3],
      ],
      [
        [2, 3],
        [1, 1],
      ],
      [
        [1, 3],
        [2, 1],
      ],
      [[], [4]],
      [[4], []],
      [
        [2, 3, 2],
        [3, 1],
      ],
      [[0], [1]],
    ];
    for (const [batchA, batchB] of cases) {
      for (const [ta, tb] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        check(
          random([...batchA, ...(ta ? [5, 7] : [7, 5])], 3),
          random([...batchB, ...(tb ? [9, 5] : [5, 9])], 4),
          ta,
          tb,
        );
      }
    }
  });

  test('NaN and infinities stay in their rows and columns', () => {
    const a = tf.tensor2d(
      Float32Array.from({ length: 7 * 5 }, (_, i) => (i === 8 ? Number.NaN : 1)),
      [7, 5],
    );
    const b = tf.tensor2d(
      Float32Array.from({ length: 5 * 9 }, (_, i) => (i === 4 ? Number.POSITIVE_INFINITY : 1)),
      [5, 9],
    );
    const out = tf.matMul(a, b);
    const found = out.dataSync();
    for (let i = 0; i < 7; i++) {
      for (let j = 0; j < 9; j++)
        expect(found[i * 9 + j]).toBe(i === 1 ? Number.NaN : j === 4 ? Number.POSITIVE_INFINITY : 5);
    }
    tf.dispose([a, b, out]);
  });

  test('bias and activations of the fused product', () => {
    const [a, b, bias, alpha] = [
      random([5, 6], 1),
      random([6, 10], 2),
      random([10], 3),
      random([10], 4),
    ] as const;
    const plain = tf.add(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D), bias);
    const expected = {
      linear: plain,
      relu: tf.relu(plain),
      relu6: tf.relu6(plain),
      elu: tf.elu(plain),
      sigmoid: tf.sigmoid(plain),
      leakyrelu: tf.leakyRelu(plain, 0.1),
      prelu: tf.prelu(plain, alpha as tf.Tensor1D),
    };
    for (const [activation, value] of Object.entries(expected)) {
      const before = tf.memory().numTensors;
      const found = tf.fused.matMul({
        a: a as tf.Tensor2D,
        b: b as tf.Tensor2D,
        bias,
        activation: activation as 'linear',
        leakyreluAlpha: 0.1,
        ...(activation === 'prelu' ? { preluActivationWeights: alpha } : {}),
      });
      expect(tf.memory().numTensors - before).toBe(1);
      expect(tf.max(tf.abs(tf.sub(found, value))).dataSync()[0]).toBeLessThan(1e-6);
    }
  });
});
