import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { gatherRows, segmentSum } from './gather-rows.ts';
import { checkOp } from './oracle.ts';

beforeAll(testBackend);

test.each([
  [1, 1, 1],
  [4, 9, 3],
  [7, 5, 8],
  [3, 20, 21],
  [7, 1, 5],
  [1, 67, 2],
  [5, 131, 9],
])('gatherRows and segmentSum between %i and %i rows of %i', async (many, count, width) => {
  const ids = Array.from({ length: count }, (_, i) => ((i * 5 + 2) % (many + 1)) - 1);
  const index = tf.tensor1d(ids, 'int32');
  await checkOp({
    shapes: { x: [many, width] },
    op: ({ x }) => gatherRows(x as tf.Tensor2D, index),
    oracle: ({ x }) =>
      Float64Array.from({ length: count * width }, (_, i) => {
        const id = ids[Math.floor(i / width)]!;
        return id < 0 ? 0 : x![id * width + (i % width)]!;
      }),
  });
  await checkOp({
    shapes: { x: [count, width] },
    op: ({ x }) => segmentSum(x as tf.Tensor2D, index, many),
    oracle: ({ x }) => {
      const out = new Float64Array(many * width);
      ids.forEach((id, row) => {
        for (let i = 0; id >= 0 && i < width; i++) out[id * width + i]! += x![row * width + i]!;
      });
      return out;
    },
  });
  index.dispose();
});

test.each([
  ['one row', 3],
  ['none', -1],
])('all 70 indices name %s of 5', async (_, id) => {
  const index = tf.fill([70], id, 'int32') as tf.Tensor1D;
  const read = (x: Float64Array, i: number): number => (id < 0 ? 0 : x[id * 3 + (i % 3)]!);
  await checkOp({
    shapes: { x: [5, 3] },
    op: ({ x }) => gatherRows(x as tf.Tensor2D, index),
    oracle: ({ x }) => Float64Array.from({ length: 210 }, (_, i) => read(x!, i)),
  });
  await checkOp({
    shapes: { x: [70, 3] },
    op: ({ x }) => segmentSum(x as tf.Tensor2D, index, 5),
    oracle: ({ x }) => {
      const out = new Float64Array(15);
      for (let i = 0; id >= 0 && i < x!.length; i++) out[id * 3 + (i % 3)]! += x![i]!;
      return out;
    },
  });
  index.dispose();
});

test('a NaN in one row stays there', async () => {
  const x = tf.tensor2d([
    [Number.NaN, 1],
    [2, 3],
  ]);
  const index = tf.tensor1d([-1, 1, 1], 'int32');
  const rows = gatherRows(x, index);
  await expectClose(rows, [0, 0, 2, 3, 2, 3]);
  const ids = tf.tensor1d([-1, 0], 'int32');
  const sums = segmentSum(x, ids, 2);
  await expectClose(sums, [2, 3, 0, 0]);
  tf.dispose([x, index, rows, ids, sums]);
});

test('no rows at all', async () => {
  const none = tf.zeros([0, 3]) as tf.Tensor2D;
  const ids = tf.tensor1d([], 'int32');
  const gathered = gatherRows(none, ids);
  const summed = segmentSum(none, ids, 2);
  expect(gathered.shape).toEqual([0, 3]);
  await expectClose(summed, [0, 0, 0, 0, 0, 0]);
  tf.dispose([none, ids, gathered, summed]);
});

test('bad input is named', () => {
  const x = tf.zeros([2, 3]) as tf.Tensor2D;
  const ids = tf.zeros([2]) as tf.Tensor1D;
  expect(() => gatherRows(x, ids)).toThrow(/int32/);
  expect(() => segmentSum(x, tf.tensor1d([1], 'int32'), 2)).toThrow(/segmentSum ids/);
});
