/** Cases of single values and of where they go: integers, booleans, NaN, copies, gathers, high ranks. For the tests. */
import * as tf from '@tensorflow/tfjs-core';
import { type Case, int } from './case.ts';

const BIG = 2 ** 24 + 1;

export const valueCases: readonly Case[] = [
  {
    repair: 'int-transpose',
    about: 'rank 3',
    backends: ['webgpu'],
    run: () => tf.transpose(int([1, 2, 3, 4, 5, 6], [1, 2, 3]), [2, 0, 1]),
    expected: [1, 4, 2, 5, 3, 6],
  },
  {
    repair: 'int-transpose',
    about: 'a bool of rank 4',
    backends: ['webgpu'],
    run: () => tf.transpose(tf.greater(tf.tensor4d([1, 0, 0, 1, 1, 1], [1, 2, 3, 1]), 0), [0, 2, 1, 3]),
    expected: [1, 1, 0, 1, 0, 1],
  },
  {
    repair: 'int-arithmetic',
    about: 'sums',
    backends: ['webgpu'],
    run: () => [
      tf.add(int([BIG, BIG], [2, 1]), int([1, 3])),
      tf.sub(int([BIG]), int([1])),
      tf.sum(int([BIG, 1, 1])),
    ],
    expected: [BIG + 1, BIG + 3, BIG + 1, BIG + 3, BIG - 1, BIG + 2],
  },
  {
    repair: 'int-arithmetic',
    about: 'comparisons',
    backends: ['webgpu'],
    run: () => [
      tf.equal(int([BIG]), int([BIG - 1])),
      tf.greater(int([BIG]), int([BIG - 1])),
      tf.maximum(int([BIG]), int([BIG - 1])),
    ],
    expected: [0, 1, BIG],
  },
  {
    repair: 'int-arithmetic',
    about: 'products and remainders',
    backends: ['webgpu'],
    run: () => [
      tf.mul(int([4097]), int([4097])),
      tf.mod(int([BIG, -7]), int([10])),
      tf.floorDiv(int([BIG, -7]), int([2])),
    ],
    expected: [4097 * 4097, BIG % 10, 3, 2 ** 23, -4],
  },
  {
    repair: 'gather-batch-dims',
    about: 'one batch dimension',
    backends: ['wasm'],
    run: () =>
      tf.gather(
        tf.tensor2d([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
        int([1, 0, 0, 1, 1, 1], [3, 2]),
        1,
        1,
      ),
    expected: [2, 1, 3, 4, 6, 6],
  },
  {
    repair: 'scatter-update-copy',
    about: 'the tensor scattered into',
    backends: ['cpu'],
    run: () => {
      const tensor = tf.tensor1d([1, 1, 1]);
      tf.tensorScatterUpdate(tensor, int([1], [1, 1]), tf.tensor1d([5]));
      return tensor;
    },
    expected: [1, 1, 1],
  },
  {
    repair: 'shared-identity',
    about: 'copies made by a clone',
    backends: ['wasm'],
    run: () => {
      const count = () => tf.backend().numDataIds();
      const x = tf.ones([2]);
      const before = count();
      tf.clone(x);
      return tf.scalar(count() - before);
    },
    expected: [0],
  },
  {
    repair: 'wasm-booleans',
    about: 'casts',
    backends: ['wasm'],
    run: () => [tf.cast(int([3, 256, 0, -1]), 'bool'), tf.cast(tf.tensor1d([0.5, 0, -2]), 'bool')],
    expected: [1, 1, 0, 1, 1, 0, 1],
  },
  {
    repair: 'wasm-booleans',
    about: 'reverse',
    backends: ['wasm'],
    run: () => tf.reverse(tf.greater(tf.tensor1d([1, 1, 0, 0, 0]), 0)),
    expected: [0, 0, 0, 1, 1],
  },
  {
    repair: 'clip-nan',
    about: 'NaN',
    backends: ['wasm'],
    run: () => tf.clipByValue(tf.tensor1d([Number.NaN, 5, -5, 0.5]), -1, 2),
    expected: [Number.NaN, 2, -1, 0.5],
  },
  {
    repair: 'unary-edges',
    about: 'log of 0 and exp of NaN',
    backends: ['webgpu'],
    run: () => [tf.log(tf.tensor1d([0])), tf.exp(tf.tensor1d([Number.NaN]))],
    expected: [-Infinity, Number.NaN],
  },
  {
    repair: 'real-cast',
    about: 'a transposed cast',
    backends: ['webgpu'],
    run: () => tf.transpose(tf.cast(int([1, 2, 3, 4], [1, 2, 2]), 'float32'), [0, 2, 1]),
    expected: [1, 3, 2, 4],
  },
  {
    repair: 'high-rank',
    about: 'where and pad at rank 5',
    backends: ['webgpu'],
    run: () => {
      const x = tf.reshape(tf.tensor1d([1, 2]), [1, 1, 1, 1, 2]);
      return [
        tf.where(tf.greater(x, 1), x, tf.zerosLike(x)),
        tf.pad(x, [
          [0, 0],
          [1, 0],
          [0, 0],
          [0, 0],
          [0, 1],
        ]),
      ];
    },
    expected: [0, 2, 0, 0, 0, 1, 2, 0],
  },
  {
    repair: 'empty-topk',
    about: 'no rows',
    backends: ['webgpu'],
    run: () => int(tf.topk(tf.zeros([0, 4]), 2).values.shape),
    expected: [0, 2],
  },
];
