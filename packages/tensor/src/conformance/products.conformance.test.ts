import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkOp, sample } from './check.ts';
import { matMul } from './reference-ops.ts';

beforeAll(testBackend);

/** Batch axes of a and b, then rows, inner size, columns. */
const PRODUCTS: (readonly [number[], number[], number, number, number])[] = [
  [[], [], 1, 1, 1],
  [[], [], 3, 4, 5],
  [[], [], 7, 1, 2],
  [[], [], 1, 9, 6],
  [[], [], 9, 17, 10],
  [[2], [2], 3, 2, 4],
  [[2], [1], 3, 4, 2],
  [[1], [3], 2, 3, 2],
  [[2, 3], [2, 3], 2, 3, 2],
  [[2, 1], [1, 3], 2, 2, 3],
  [[3], [], 2, 4, 3],
  [[], [2], 3, 2, 2],
  [[], [], 0, 3, 2],
  [[], [], 2, 0, 3],
  [[], [], 3, 2, 0],
  [[0], [0], 2, 2, 2],
  [[2], [2], 3, 0, 2],
];

describe('matMul', () => {
  it.each([
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ])('transposed %s, %s', async (transposeA, transposeB) => {
    for (const [batchA, batchB, rows, inner, columns] of PRODUCTS) {
      const a = [...batchA, ...(transposeA ? [inner, rows] : [rows, inner])];
      const b = [...batchB, ...(transposeB ? [columns, inner] : [inner, columns])];
      await checkOp(`[${a}] · [${b}]`, {
        inputs: [sample('left', a), sample('right', b)],
        op: (x, y) => tf.matMul(x!, y!, transposeA, transposeB),
        reference: (x, y) => matMul(x!, y!, transposeA, transposeB),
        tolerance: 2e-6,
      });
    }
  });

  it('of larger sizes', async () => {
    for (const [rows, inner, columns] of [
      [33, 65, 40],
      [2, 2100, 70],
      [70, 130, 5],
      [260, 5, 270],
      [520, 3, 520],
    ] as const) {
      await checkOp(`[${rows}, ${inner}] · [${inner}, ${columns}]`, {
        inputs: [sample('left', [rows, inner]), sample('right', [inner, columns])],
        op: (x, y) => tf.matMul(x!, y!),
        reference: (x, y) => matMul(x!, y!),
        gradient: false,
        tolerance: 3e-6,
      });
    }
  });

  it('of larger sizes, transposed', async () => {
    for (const [rows, inner, columns] of [
      [3, 200, 70],
      [50, 33, 41],
      [270, 19, 260],
      [520, 3, 530],
    ] as const) {
      for (const [transposeA, transposeB] of [
        [false, true],
        [true, false],
        [true, true],
      ] as const) {
        const a = transposeA ? [inner, rows] : [rows, inner];
        const b = transposeB ? [columns, inner] : [inner, columns];
        await checkOp(`[${a}] · [${b}], transposed ${transposeA}, ${transposeB}`, {
          inputs: [sample('left', a), sample('right', b)],
          op: (x, y) => tf.matMul(x!, y!, transposeA, transposeB),
          reference: (x, y) => matMul(x!, y!, transposeA, transposeB),
          gradient: false,
          tolerance: 3e-6,
        });
      }
    }
  });
});
