/** Cases of gradients that are missing or wrong. For the tests. */
import * as tf from '@tensorflow/tfjs-core';
import { BACKEND_NAMES } from '../define-op.ts';
import { type Case, int } from './case.ts';

const everywhere = BACKEND_NAMES;
const grad = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor) => tf.grad(f)(x);

export const gradientCases: readonly Case[] = [
  {
    repair: 'cumsum-gradient',
    about: 'cumsum along axis 0',
    backends: everywhere,
    run: () =>
      grad(
        x =>
          tf.sum(
            tf.mul(
              tf.cumsum(x, 0),
              tf.tensor2d([
                [1, 2],
                [3, 4],
              ]),
            ),
          ),
        tf.ones([2, 2]),
      ),
    expected: [4, 6, 3, 4],
  },
  {
    repair: 'gather-gradient',
    about: 'two batch dimensions',
    backends: everywhere,
    run: () =>
      grad(
        x =>
          tf.sum(
            tf.mul(
              tf.gather(x, int([1, 1, 0, 0], [1, 2, 2]), 2, 2),
              tf.tensor3d([
                [
                  [1, 2],
                  [3, 4],
                ],
              ]),
            ),
          ),
        tf.ones([1, 2, 2]),
      ),
    expected: [0, 3, 7, 0],
  },
  {
    repair: 'gather-gradient',
    about: 'indices that depend on x',
    backends: everywhere,
    run: () => grad(x => tf.sum(tf.gather(x, tf.reshape(tf.argMax(x), [1]))), tf.tensor1d([1, 3, 2])),
    expected: [0, 1, 0],
  },
  {
    repair: 'matmul-gradient',
    about: 'a shared right side',
    backends: everywhere,
    run: () => grad(x => tf.sum(tf.matMul(tf.ones([4, 2, 3]), x as tf.Tensor2D)), tf.ones([3, 2])),
    expected: [8, 8, 8, 8, 8, 8],
  },
  {
    repair: 'missing-gradients',
    about: 'topk',
    backends: everywhere,
    run: () =>
      grad(
        x => tf.sum(tf.mul(tf.topk(x, 2).values, [[1, 2]])),
        tf.tensor2d([
          [5, 1, 9],
          [3, 2, 1],
        ]),
      ),
    expected: [2, 0, 1, 1, 2, 0],
  },
  {
    repair: 'missing-gradients',
    about: 'gatherND and scatterND',
    backends: everywhere,
    run: () =>
      grad(
        x => {
          const rows = tf.gatherND(x, int([2, 2, 0], [3, 1]));
          return tf.sum(tf.square(tf.scatterND(int([0, 1, 1], [3, 1]), rows, [2, 2])));
        },
        tf.tensor2d([
          [1, 2],
          [3, 4],
          [5, 6],
        ]),
      ),
    expected: [12, 16, 0, 0, 22, 28],
  },
  {
    repair: 'broadcast-gradients',
    about: 'maximum of a scalar',
    backends: everywhere,
    run: () => grad(x => tf.sum(tf.maximum(x, [1, 3, 1])), tf.scalar(2)),
    expected: [2],
  },
  {
    repair: 'tied-extrema',
    about: 'a tie of two',
    backends: everywhere,
    run: () =>
      grad(
        x => tf.add(tf.sum(tf.max(x, 1)), tf.sum(tf.min(x, 1))),
        tf.tensor2d([
          [2, 2, 1],
          [1, 3, 2],
        ]),
      ),
    expected: [0.5, 0.5, 1, 1, 1, 0],
  },
  {
    repair: 'sum-gradient',
    about: 'arrays written from the host',
    backends: ['wasm', 'webgpu', 'tensorflow'],
    run: () => {
      const x = tf.fill([2, 4], 3);
      const arrays = writes(() => {
        grad(x => tf.add(tf.sum(x), tf.mean(x)), x);
        grad(x => tf.sum(tf.add(tf.sum(x, 0), tf.mean(x, 0, true))), x);
      });
      return [
        tf.scalar(tf.getBackend() === 'cpu' ? 0 : arrays),
        grad(x => tf.sum(tf.square(tf.mean(x, 1))), x),
      ];
    },
    expected: [0, ...new Array(8).fill(1.5)],
  },
];

/** How many float arrays of more than one number the host makes in `run`. */
function writes(run: () => void): number {
  const backend = tf.backend() as unknown as { write(values: unknown, ...rest: unknown[]): object };
  let count = 0;
  const own = backend.write;
  backend.write = (values, ...rest) => {
    if (values instanceof Float32Array && values.length > 1) count++;
    return own.call(backend, values, ...rest);
  };
  try {
    run();
  } finally {
    backend.write = own;
  }
  return count;
}
