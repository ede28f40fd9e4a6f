import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { checkOp, distinct, integers, intTensor, sample } from './check.ts';
import { NdArray } from './reference.ts';
import * as reference from './reference-ops.ts';

beforeAll(testBackend);

describe('gather', () => {
  it('along every axis', async () => {
    const cases: [number[], number[], number][] = [
      [[5], [3], 0],
      [[4, 3], [6], 0],
      [[4, 3], [2, 2], 0],
      [[3, 4], [5], 1],
      [[2, 3, 4], [2], 1],
      [[2, 3, 4], [3, 2], 2],
      [[4, 2], [0], 0],
      [[2, 1, 3, 2], [4], 2],
      [[3, 2], [], 0],
    ];
    for (const [shape, indexShape, axis] of cases) {
      const indices = integers('gather', indexShape, 0, shape[axis]!);
      await checkOp(`gather [${indexShape}] of [${shape}] along ${axis}`, {
        inputs: [sample('gather', shape)],
        op: x => tf.gather(x!, intTensor(indices) as tf.Tensor1D, axis),
        reference: x => reference.gather(x!, indices, axis),
      });
      const whole = integers('gather', shape, -99, 99);
      await checkOp(`gather of int32 [${shape}]`, {
        inputs: [],
        op: () => tf.gather(intTensor(whole), intTensor(indices) as tf.Tensor1D, axis),
        reference: () => reference.gather(whole, indices, axis),
        dtype: 'int32',
      });
    }
  });

  it('with batch dimensions', async () => {
    const cases: [number[], number[], number, number][] = [
      [[2, 4], [2, 3], 1, 1],
      [[3, 2, 4], [3, 5], 1, 1],
      [[2, 3, 4], [2, 2], 2, 1],
      [[2, 2, 3], [2, 2, 4], 2, 2],
      [[3, 5, 2], [3, 2, 2], 1, 1],
      [[1, 4], [1, 2], 1, 1],
    ];
    for (const [shape, indexShape, axis, batchDims] of cases) {
      const indices = integers('gather', indexShape, 0, shape[axis]!);
      await checkOp(`gather [${indexShape}] of [${shape}] along ${axis}, batch ${batchDims}`, {
        inputs: [sample('gather', shape)],
        op: x => tf.gather(x!, intTensor(indices) as tf.Tensor1D, axis, batchDims),
        reference: x => reference.gather(x!, indices, axis, batchDims),
      });
    }
  });

  it('by tuples', async () => {
    for (const [shape, indexShape] of [
      [[5], [3, 1]],
      [
        [3, 4],
        [4, 1],
      ],
      [
        [3, 4],
        [2, 2],
      ],
      [
        [2, 3, 2],
        [4, 2],
      ],
      [
        [2, 3, 2],
        [2, 2, 3],
      ],
    ] as [number[], number[]][]) {
      const indices = integers('gatherND', indexShape, 0, Math.min(...shape.slice(0, indexShape.at(-1))));
      await checkOp(`gatherND [${indexShape}] of [${shape}]`, {
        inputs: [sample('gatherND', shape)],
        op: x => tf.gatherND(x!, intTensor(indices)),
        reference: x => reference.gatherND(x!, indices),
      });
    }
  });
});

describe('scatter', () => {
  it('adds what meets', async () => {
    for (const [count, depth, shape] of [
      [4, 1, [3]],
      [5, 1, [3, 2]],
      [4, 2, [2, 3]],
      [6, 2, [2, 2, 3]],
      [0, 1, [3, 2]],
    ] as [number, number, number[]][]) {
      const indices = integers('scatterND', [count, depth], 0, Math.min(...shape.slice(0, depth)));
      await checkOp(`scatterND into [${shape}]`, {
        inputs: [sample('scatterND', [count, ...shape.slice(depth)])],
        op: x => tf.scatterND(intTensor(indices), x!, shape),
        reference: x => reference.scatterND(indices, x!, shape),
      });
    }
  });

  it('replaces rows', async () => {
    const indices = new NdArray([2, 1], [2, 0]);
    await checkOp('tensorScatterUpdate', {
      inputs: [sample('tensor', [4, 3]), sample('rows', [2, 3])],
      op: (x, rows) => tf.tensorScatterUpdate(x!, intTensor(indices), rows!),
      reference: (x, rows) =>
        new NdArray(
          [4, 3],
          [3, 4, 5]
            .flatMap(i => rows!.data[i]!)
            .concat([...x!.data.slice(3, 6)], [...rows!.data.slice(0, 3)], [...x!.data.slice(9)]),
        ),
    });
  });

  it('sums segments', async () => {
    for (const [shape, segments] of [
      [[6], 3],
      [[5, 2], 4],
      [[4, 2, 3], 2],
      [[0, 2], 3],
      [[40, 3], 1],
    ] as [number[], number][]) {
      const ids = integers('segments', [shape[0]!], 0, segments);
      await checkOp(`unsortedSegmentSum [${shape}] into ${segments}`, {
        inputs: [sample('segments', shape)],
        op: x => tf.unsortedSegmentSum(x!, intTensor(ids) as tf.Tensor1D, segments),
        reference: x => reference.segmentSum(x!, ids, segments),
      });
    }
  });
});

describe('topk', () => {
  const SHAPES: [number[], number][] = [
    [[5], 2],
    [[3, 6], 1],
    [[3, 6], 6],
    [[2, 2, 5], 3],
    [[2, 40], 8],
    [[0, 4], 2],
  ];

  it('gives the values, falling', async () => {
    for (const [shape, k] of SHAPES) {
      await checkOp(`topk ${k} of [${shape}]`, {
        inputs: [distinct('topk', shape)],
        op: x => tf.topk(x!, k).values,
        reference: x => reference.topk(x!, k)[0],
      });
    }
  });

  it('gives the positions, of equal values the first', async () => {
    for (const [shape, k] of SHAPES) {
      for (const x of [sample('topk', shape), integers('topk', shape, 0, 3)]) {
        await checkOp(`topk ${k} of [${shape}]`, {
          inputs: [],
          op: () => tf.topk(tf.tensor([...x.data], shape, 'float32'), k).indices,
          reference: () => reference.topk(x, k)[1],
          dtype: 'int32',
        });
      }
    }
  });
});
