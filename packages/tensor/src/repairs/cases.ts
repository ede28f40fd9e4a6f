/** One or more cases per repair of tfjs: what goes wrong without it. For the tests. */
import * as tf from '@tensorflow/tfjs-core';
import { BACKEND_NAMES, type BackendName } from '../define-op.ts';
import { Rng } from '../rng.ts';
import type { RepairName } from './install.ts';

/** Shows one fault: what is computed, and what is right. */
export interface Case {
  readonly repair: RepairName;
  readonly about: string;
  /** Where the fault shows; elsewhere the result is right with and without the repair. */
  readonly backends: readonly BackendName[];
  readonly run: () => tf.Tensor | tf.Tensor[];
  readonly expected: readonly number[];
  /** How far a backend may be off that sums in another order. */
  readonly slack?: number;
}

const everywhere = BACKEND_NAMES;
const BIG = 2 ** 24 + 1;
const int = (values: number[], shape?: number[]) => tf.tensor(values, shape ?? [values.length], 'int32');
const grad = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor) => tf.grad(f)(x);

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

export const cases: readonly Case[] = [
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
    repair: 'cumsum-reverse',
    about: 'a shorter row after a longer',
    backends: ['webgpu'],
    run: () => [tf.cumsum(tf.ones([5]), 0, false, true), tf.cumsum(tf.ones([3]), 0, false, true)],
    expected: [5, 4, 3, 2, 1, 3, 2, 1],
  },
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
      const first = tf.matMul(a, b);
      return [1, 2, 3].map(() => tf.sum(tf.abs(tf.sub(tf.matMul(a, b), first))));
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
    repair: 'broadcast-gradients',
    about: 'maximum of a scalar',
    backends: everywhere,
    run: () => grad(x => tf.sum(tf.maximum(x, [1, 3, 1])), tf.scalar(2)),
    expected: [2],
  },
  {
    repair: 'matmul-broadcast',
    about: 'batch axes on both sides',
    backends: ['cpu', 'webgpu'],
    run: () => tf.matMul(tf.tensor4d([1, 10], [2, 1, 1, 1]), tf.tensor4d([1, 2, 3], [1, 3, 1, 1])),
    expected: [1, 2, 3, 10, 20, 30],
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
];
