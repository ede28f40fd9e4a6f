/** What takes a tensor row by row: softmax, logarithms of sums of exponentials, unit vectors. */
import { testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { logSumExp } from '../ops/log-sum-exp.ts';
import { normalise } from '../ops/normalise.ts';
import { checkOp, sample } from './check.ts';
import { map, NdArray, reduce, zip } from './reference.ts';
import * as reference from './reference-ops.ts';

beforeAll(testBackend);

describe('rows', () => {
  const ROWS = [
    [6],
    [3, 5],
    [2, 3, 4],
    [1, 2, 2, 3],
    [2, 1, 2, 1, 3],
    [3, 1],
    [0, 4],
    [2, 70],
    [67, 3],
    [1, 131],
  ];

  it('softmax', async () => {
    for (const shape of ROWS) {
      await checkOp(`softmax [${shape}]`, {
        inputs: [sample('softmax', shape)],
        op: x => tf.softmax(x!),
        reference: x => reference.softmax(x!),
      });
    }
  });

  it('log softmax', async () => {
    for (const shape of ROWS) {
      await checkOp(`log softmax [${shape}]`, {
        inputs: [sample('log softmax', shape)],
        op: x => tf.logSoftmax(x!),
        reference: x => map(reference.softmax(x!), Math.log),
      });
    }
  });

  it('logSumExp', async () => {
    for (const shape of ROWS) {
      for (const axis of [0, shape.length - 1]) {
        if (shape[axis] === 0) continue;
        await checkOp(`logSumExp [${shape}] over ${axis}`, {
          inputs: [sample('logSumExp', shape)],
          op: x => logSumExp(x!, axis),
          reference: x => reference.logSumExp(x!, axis),
        });
      }
    }
  });

  it('logSumExp of masked rows, with gradient 0', async () => {
    const x = new NdArray([3, 3], [-Infinity, -Infinity, -Infinity, 0, -Infinity, 1, -1e30, 5, -1e30]);
    await checkOp('logSumExp', {
      inputs: [x],
      op: y => logSumExp(y!),
      reference: y => reference.logSumExp(y!, 1),
      gradient: false,
    });
    await checkOp('gradient of logSumExp', {
      inputs: [x],
      op: y => tf.grad((v: tf.Tensor) => logSumExp(v))(y!),
      reference: () => {
        const share = 1 / (1 + Math.E);
        return new NdArray([3, 3], [0, 0, 0, share, 0, 1 - share, 0, 1, 0]);
      },
      gradient: false,
    });
    await checkOp('logSumExp of nothing', {
      inputs: [],
      op: () => logSumExp(tf.zeros([2, 0])),
      reference: () => new NdArray([2], [-Infinity, -Infinity]),
      gradient: false,
    });
  });

  it('normalise', async () => {
    for (const shape of ROWS) {
      const unit = (x: NdArray): NdArray =>
        zip((v, s) => v / Math.sqrt(s))(
          x,
          reduce(
            map(x, v => v * v),
            [shape.length - 1],
            reference.sum,
            true,
          ),
        );
      await checkOp(`normalise [${shape}]`, {
        inputs: [sample('normalise', shape)],
        op: x => normalise(x!),
        reference: x => unit(x!),
      });
    }
  });

  it('normalise of short vectors: 0 with gradient 0', async () => {
    const x = new NdArray([3, 2], [0, 0, 6e-7, -6e-7, 3e-6, 4e-6]);
    await checkOp('normalise', {
      inputs: [x],
      op: y => normalise(y!),
      reference: () => new NdArray([3, 2], [0, 0, 0, 0, 0.6, 0.8]),
      gradient: false,
    });
    await checkOp('gradient of normalise', {
      inputs: [x],
      op: y => tf.slice(tf.grad((v: tf.Tensor) => tf.sum(normalise(v)))(y!), [0, 0], [2, 2]),
      reference: () => new NdArray([2, 2], [0, 0, 0, 0]),
      gradient: false,
    });
  });
});
