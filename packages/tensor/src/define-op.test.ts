import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { defineOp } from './index.ts';
import '@tensorflow/tfjs-backend-cpu';

/** [x·k, x + b]: two outputs, an optional input, and a reference that returns its own input without b. */
const op = defineOp<{ x: tf.Tensor; b?: tf.Tensor }, { k: number }>({
  name: 'DefineOpTest',
  reference: ({ x, b }, { k }) => [tf.mul(x, k), b === undefined ? x : tf.add(x, b)],
  gradient: ({ dys, inputs, attrs }) => ({
    x: tf.add(tf.mul(dys[0]!, attrs.k), dys[1]!),
    ...(inputs.b === undefined ? {} : { b: dys[1]! }),
  }),
});
const taken = defineOp<{ x: tf.Tensor; indices: tf.Tensor }, object>({
  name: 'DefineOpTestTake',
  reference: ({ x, indices }) => [tf.gather(x, indices)],
  gradient: ({ dys, inputs }) => ({
    x: tf.unsortedSegmentSum(dys[0]!, inputs.indices as tf.Tensor1D, inputs.x.shape[0]!),
  }),
});

beforeAll(async () => {
  await tf.setBackend('cpu');
  tf.env().set('IS_TEST', true);
});

describe('defineOp', () => {
  it('differentiates several outputs and an optional input', () => {
    const [gx, gb] = tf.grads((x: tf.Tensor, b: tf.Tensor) => {
      const [scaled, moved] = op({ x, b }, { k: 3 });
      return tf.sum(tf.mul(scaled!, moved!));
    })([tf.tensor1d([1, 2]), tf.tensor1d([10, 20])]);
    expect([...gx!.dataSync()]).toEqual([36, 72]);
    expect([...gb!.dataSync()]).toEqual([3, 6]);
  });

  it('gives zeros to an output that nothing used', () => {
    const g = tf.grad((x: tf.Tensor) => tf.sum(op({ x }, { k: 3 })[0]!))(tf.tensor1d([1, 2]));
    expect([...g.dataSync()]).toEqual([3, 3]);
  });

  it('keeps an output that the reference took from its input apart from that input', () => {
    const g = tf.grad((x: tf.Tensor) => {
      const [, same] = op({ x }, { k: 3 });
      return tf.sum(tf.mul(same!, x));
    })(tf.tensor1d([1, 2]));
    expect([...g.dataSync()]).toEqual([2, 4]);
  });

  it('lets an integer input depend on x', () => {
    const g = tf.grad((x: tf.Tensor) => tf.sum(taken({ x, indices: tf.reshape(tf.argMax(x), [1]) }, {})[0]!))(
      tf.tensor1d([1, 5, 2]),
    );
    expect([...g.dataSync()]).toEqual([0, 1, 0]);
  });

  it('says which gradients are wanted', () => {
    const seen: boolean[][] = [];
    const product = defineOp<{ x: tf.Tensor; w: tf.Tensor }, object>({
      name: 'DefineOpTestWanted',
      reference: ({ x, w }) => [tf.mul(x, w)],
      gradient: ({ dys: [dy], inputs: { x, w }, wanted }) => {
        seen.push([wanted('x'), wanted('w')]);
        return {
          ...(wanted('x') ? { x: tf.mul(dy!, w) } : {}),
          ...(wanted('w') ? { w: tf.mul(dy!, x) } : {}),
        };
      },
    });
    const [a, b] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    const ofX = tf.grad((x: tf.Tensor) => product({ x, w: b }, {})[0]!)(a);
    const ofW = tf.grad((w: tf.Tensor) => product({ x: a, w }, {})[0]!)(b);
    const both = tf.grads((x: tf.Tensor, w: tf.Tensor) => product({ x, w }, {})[0]!)([a, b]);
    expect(seen).toEqual([
      [true, false],
      [false, true],
      [true, true],
    ]);
    expect([ofX, ofW, ...both].map(g => [...g.dataSync()])).toEqual([
      [3, 4],
      [1, 2],
      [3, 4],
      [1, 2],
    ]);
  });

  it('leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const x = tf.tensor1d([1, 2]);
    const g = tf.grad((v: tf.Tensor) => tf.sum(op({ x: v, b: v }, { k: 2 })[1]!))(x);
    tf.dispose([x, g]);
    expect(tf.memory().numTensors).toBe(before);
  });
});
