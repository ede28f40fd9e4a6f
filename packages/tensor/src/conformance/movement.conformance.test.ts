import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkOp, integers, intTensor, sample } from './check.ts';
import { checkMoves } from './check-moves.ts';
import { broadcastShape, build, NdArray } from './reference.ts';
import * as reference from './reference-ops.ts';

beforeAll(testBackend);

describe('moving elements', () => {
  it('transpose', async () => {
    const cases: [number[], number[]][] = [
      [[4], [0]],
      [
        [3, 5],
        [1, 0],
      ],
      [
        [2, 3, 4],
        [2, 0, 1],
      ],
      [
        [2, 3, 4],
        [0, 2, 1],
      ],
      [
        [2, 1, 3, 2],
        [3, 1, 0, 2],
      ],
      [
        [2, 3, 1, 2, 2],
        [4, 0, 3, 1, 2],
      ],
      [
        [0, 3],
        [1, 0],
      ],
      [
        [2, 0, 3],
        [2, 1, 0],
      ],
      [
        [1, 5],
        [1, 0],
      ],
    ];
    for (const [shape, perm] of cases) {
      await checkMoves(
        `transpose [${shape}] ${perm}`,
        [shape],
        x => tf.transpose(x!, perm),
        x => reference.transpose(x!, perm),
      );
    }
  });

  it('reshape, expandDims, squeeze and flatten', async () => {
    for (const [from, to] of [
      [[6], [2, 3]],
      [
        [2, 3],
        [3, 1, 2],
      ],
      [[1], []],
      [
        [0, 3],
        [3, 0],
      ],
    ] as [number[], number[]][]) {
      await checkMoves(
        `reshape [${from}]`,
        [from],
        x => tf.reshape(x!, to),
        x => reference.reshape(x!, to),
      );
    }
    await checkMoves(
      'expandDims',
      [[2, 3]],
      x => tf.expandDims(x!, 1),
      x => reference.reshape(x!, [2, 1, 3]),
    );
    await checkMoves(
      'squeeze',
      [[2, 1, 3, 1]],
      x => tf.squeeze(x!),
      x => reference.reshape(x!, [2, 3]),
    );
  });

  it('slice', async () => {
    const cases: [number[], number[], number[]][] = [
      [[6], [2], [3]],
      [
        [3, 5],
        [1, 0],
        [2, 4],
      ],
      [
        [2, 3, 4],
        [0, 1, 2],
        [2, 2, 1],
      ],
      [
        [2, 1, 3, 2],
        [1, 0, 0, 1],
        [1, 1, 3, 1],
      ],
      [
        [2, 2, 2, 2, 3],
        [0, 1, 0, 1, 1],
        [2, 1, 2, 1, 2],
      ],
      [
        [3, 2],
        [1, 0],
        [0, 2],
      ],
      [
        [0, 3],
        [0, 1],
        [0, 2],
      ],
    ];
    for (const [shape, begin, size] of cases) {
      await checkMoves(
        `slice [${shape}] at ${begin}`,
        [shape],
        x => tf.slice(x!, begin, size),
        x => reference.slice(x!, begin, size),
      );
    }
  });

  it('pad', async () => {
    const cases: [number[], [number, number][]][] = [
      [[3], [[1, 2]]],
      [
        [2, 3],
        [
          [0, 1],
          [2, 0],
        ],
      ],
      [
        [2, 1, 2],
        [
          [1, 0],
          [0, 0],
          [0, 3],
        ],
      ],
      [
        [0, 2],
        [
          [1, 1],
          [0, 0],
        ],
      ],
      [
        [1, 2, 1, 2],
        [
          [0, 0],
          [1, 0],
          [0, 1],
          [0, 0],
        ],
      ],
    ];
    for (const [shape, widths] of cases) {
      await checkMoves(
        `pad [${shape}]`,
        [shape],
        x => tf.pad(x!, widths),
        x => reference.pad(x!, widths, 0),
      );
    }
  });

  it('tile and broadcastTo', async () => {
    for (const [shape, reps] of [
      [[3], [2]],
      [
        [2, 3],
        [1, 2],
      ],
      [
        [2, 1, 3],
        [2, 3, 1],
      ],
      [
        [0, 2],
        [2, 1],
      ],
      [
        [2, 1, 1, 2],
        [1, 2, 1, 2],
      ],
    ] as [number[], number[]][]) {
      await checkMoves(
        `tile [${shape}] by ${reps}`,
        [shape],
        x => tf.tile(x!, reps),
        x => reference.tile(x!, reps),
      );
    }
    for (const [shape, to] of [
      [[3], [2, 3]],
      [
        [2, 1],
        [2, 4],
      ],
      [[], [2, 2]],
    ] as [number[], number[]][]) {
      await checkOp(`broadcast [${shape}] to [${to}]`, {
        inputs: [sample('broadcast', shape)],
        op: x => tf.broadcastTo(x!, to),
        reference: x => build(broadcastShape(to, shape), c => x!.at(c)),
      });
    }
  });

  it('reverse', async () => {
    for (const [shape, axis] of [
      [[5], 0],
      [[2, 3], 0],
      [[2, 3], 1],
      [[2, 3, 2], 1],
      [[0, 2], 0],
      [[2, 1, 3, 2], 2],
    ] as [number[], number][]) {
      await checkMoves(
        `reverse [${shape}] along ${axis}`,
        [shape],
        x => tf.reverse(x!, axis),
        x => reference.reverse(x!, axis),
      );
    }
  });
});

describe('making tensors', () => {
  it('range, fill, zeros and ones', async () => {
    const plain = (op: () => tf.Tensor, data: number[], dtype: tf.DataType, shape = [data.length]) =>
      checkOp('made', { inputs: [], op, reference: () => new NdArray(shape, data), dtype, gradient: false });
    await plain(() => tf.range(2, 9, 3), [2, 5, 8], 'float32');
    await plain(() => tf.range(5, 0, -2, 'int32'), [5, 3, 1], 'int32');
    await plain(() => tf.range(3, 3), [], 'float32');
    await plain(() => tf.fill([2, 2], -1.5), [-1.5, -1.5, -1.5, -1.5], 'float32', [2, 2]);
    await plain(() => tf.fill([3], 7, 'int32'), [7, 7, 7], 'int32');
    await plain(() => tf.zeros([0, 3]), [], 'float32', [0, 3]);
    await plain(() => tf.onesLike(tf.zeros([2])), [1, 1], 'float32');
    await plain(() => tf.zerosLike(tf.ones([2], 'int32')), [0, 0], 'int32');
  });

  it('oneHot', async () => {
    for (const shape of [[5], [2, 3], [0], []]) {
      const x = integers('oneHot', shape, -1, 5);
      await checkOp(`oneHot [${shape}]`, {
        inputs: [],
        op: () => tf.cast(tf.oneHot(intTensor(x), 4), 'float32'),
        reference: () => build([...shape, 4], c => Number(x.at(c.slice(0, -1)) === c.at(-1))),
        gradient: false,
      });
    }
  });
});
