/** Cases of sums, products and other reductions: their order, and those over nothing. For the tests. */
import * as tf from '@tensorflow/tfjs-core';
import { kernelChoice } from '../kernel-choice.ts';
import { Rng } from '../rng.ts';
import { type Case, int } from './case.ts';

/** Leaves memory that is not zero for whoever takes it next. */
function litter(): void {
  for (const size of [1, 2, 3, 4, 6, 8, 12])
    tf.dispose([tf.add(tf.fill([size], 7), 0), tf.add(tf.fill([size], 7), 0)]);
}

const rng = new Rng(11);
const values = Float32Array.from(rng.fillNormal(new Float32Array(24_000)), (v, i) => v * 10 ** (i % 7));
const LONG = 3000;
const summed = values.subarray(0, LONG);
const inOrder = summed.reduce((sum, v) => Math.fround(sum + v), 0);

export const sumCases: readonly Case[] = [
  {
    repair: 'cumsum-reverse',
    about: 'a shorter row after a longer',
    backends: ['webgpu'],
    run: () => [tf.cumsum(tf.ones([5]), 0, false, true), tf.cumsum(tf.ones([3]), 0, false, true)],
    expected: [5, 4, 3, 2, 1, 3, 2, 1],
  },
  {
    repair: 'segment-sum-wasm',
    about: 'a segment sum that drops negative ids',
    backends: ['wasm'],
    run: () =>
      tf.unsortedSegmentSum(
        tf.tensor2d([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
        int([1, -1, 1]) as tf.Tensor1D,
        3,
      ),
    expected: [0, 0, 6, 8, 0, 0],
  },
  {
    repair: 'ordered-segment-sum',
    about: 'the order of additions',
    backends: ['webgpu'],
    run: () => tf.unsortedSegmentSum(tf.tensor1d(summed), tf.zeros([LONG], 'int32') as tf.Tensor1D, 1),
    expected: [inOrder],
    slack: 200,
  },
  {
    repair: 'ordered-matmul',
    about: 'a long inner axis, three times',
    backends: ['webgpu'],
    run: () => {
      const [a, b] = [tf.tensor2d(values, [12, 2000]), tf.tensor2d(values, [2000, 12])];
      const product = () => tf.fused.matMul({ a, b });
      const first = product();
      return [1, 2, 3].map(() => tf.sum(tf.abs(tf.sub(product(), first))));
    },
    expected: [0, 0, 0],
  },
  {
    repair: 'empty-reductions',
    about: 'reductions',
    backends: ['wasm', 'webgpu', 'cpu'],
    run: () => {
      litter();
      const none = tf.zeros([0, 2]);
      return [tf.sum(none, 0), tf.max(none, 0), tf.min(none, 0), tf.prod(none, 0), tf.mean(none, 0)];
    },
    expected: [0, 0, -Infinity, -Infinity, Infinity, Infinity, 1, 1, Number.NaN, Number.NaN],
  },
  {
    repair: 'empty-concat',
    about: 'a slice of a concatenation of nothing',
    backends: ['cpu'],
    run: () => {
      const none = tf.zeros([0, 1]);
      return tf.add(tf.sum(tf.slice(tf.concat([none, none], 1), [0, 0], [0, 1])), 5);
    },
    expected: [5],
  },
  {
    repair: 'empty-reductions',
    about: 'a product over nothing',
    backends: ['webgpu'],
    run: () => {
      litter();
      return tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3]));
    },
    expected: [0, 0, 0, 0, 0, 0],
  },
  {
    repair: 'matmul-broadcast',
    about: 'batch axes on both sides',
    backends: kernelChoice() === 'reference' ? ['cpu', 'wasm', 'webgpu'] : ['cpu', 'webgpu'],
    run: () => tf.matMul(tf.tensor4d([1, 10], [2, 1, 1, 1]), tf.tensor4d([1, 2, 3], [1, 3, 1, 1])),
    expected: [1, 2, 3, 10, 20, 30],
  },
  {
    repair: 'int-reductions',
    about: 'max and any along the first axis',
    backends: ['webgpu'],
    run: () => [
      tf.max(int([1, 9, 5, 2, 7, 3, 8, 4], [2, 2, 2]), 0),
      tf.any(tf.greater(tf.tensor3d([0, 1, 0, 0, 0, 0, 1, 0], [2, 2, 2]), 0), 0),
    ],
    expected: [7, 9, 8, 4, 0, 1, 1, 0],
  },
  {
    repair: 'first-arg',
    about: 'ties in a long row',
    backends: ['webgpu'],
    run: () => [
      tf.argMax(tf.concat([tf.zeros([1, 1]), tf.ones([1, 99])], 1), 1),
      tf.argMin(tf.zeros([1, 100]), 1),
    ],
    expected: [1, 0],
  },
];
