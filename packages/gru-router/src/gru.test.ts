import { Rng } from '@spectra/tensor';
import { expectClose, gradientsOf, noLeaks, testBackend } from '@spectra/testing';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type GruWeights, gruDepth, gruGrid, gruSequence } from './gru.ts';

const rng = new Rng(11);
const normal = (...shape: number[]) => rng.normalTensor(shape);

function makeWeights(width: number, G: number): GruWeights {
  return {
    weightIh: tf.mul(normal(3 * G, width), 0.4) as Tensor2D,
    weightHh: tf.mul(normal(3 * G, G), 0.4) as Tensor2D,
    biasIh: normal(3 * G) as Tensor1D,
    biasHh: normal(3 * G) as Tensor1D,
  };
}

/** Equal up to the rounding of products of other sizes; `exact` where the sizes are the same. */
async function expectEqual(a: Tensor, b: Tensor, exact = false): Promise<void> {
  expect(a.shape).toEqual(b.shape);
  await expectClose(a, (await b.data()) as Float32Array, { tolerance: exact ? 0 : 1e-6 });
}

describe('gruSequence', () => {
  beforeAll(testBackend);

  it('does not see the future', async () => {
    const weights = makeWeights(6, 8);
    const x = normal(2, 9, 6) as Tensor3D;
    const changed = tf.concat([tf.slice(x, [0, 0, 0], [-1, 5, -1]), normal(2, 4, 6)], 1) as Tensor3D;
    const head = (v: Tensor3D) => tf.slice(gruSequence(v, weights).output, [0, 0, 0], [-1, 5, -1]);
    await expectEqual(head(x), head(changed), true);
  });

  it('continues from a carried state, token by token', async () => {
    const weights = makeWeights(6, 8);
    const x = normal(2, 7, 6) as Tensor3D;
    const whole = gruSequence(x, weights);
    let state: Tensor2D | undefined;
    const outputs: Tensor3D[] = [];
    for (let s = 0; s < 7; s++) {
      const step = gruSequence(tf.slice(x, [0, s, 0], [-1, 1, -1]), weights, { initial: state });
      outputs.push(step.output);
      state = step.state;
    }
    await expectEqual(tf.concat(outputs, 1), whole.output);
    await expectEqual(state!, whole.state);
  });

  it('keeps packed documents apart', async () => {
    const weights = makeWeights(5, 12);
    const parts = [normal(1, 4, 5), normal(1, 1, 5), normal(1, 6, 5)] as Tensor3D[];
    const starts = tf.tensor2d([[1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]]);
    const packed = gruSequence(tf.concat(parts, 1), weights, { documentStart: starts });
    const alone = parts.map(part => gruSequence(part, weights).output);
    await expectEqual(packed.output, tf.concat(alone, 1));
  });

  it('passes the state over padding on the left, inside and on the right', async () => {
    const weights = makeWeights(5, 6);
    const x = normal(1, 8, 5) as Tensor3D;
    const kept = [1, 2, 4, 5];
    const mask = tf.tensor2d([Array.from({ length: 8 }, (_, s) => (kept.includes(s) ? 1 : 0))]);
    const padded = gruSequence(x, weights, { mask });
    const dense = gruSequence(tf.gather(x, tf.tensor1d(kept, 'int32'), 1), weights);
    await expectEqual(tf.gather(padded.output, tf.tensor1d(kept, 'int32'), 1), dense.output);
    await expectEqual(padded.state, dense.state);
    const padding = tf.gather(padded.output, tf.tensor1d([0, 3, 6, 7], 'int32'), 1);
    await expectEqual(padding, tf.zeros([1, 4, 6]), true);
  });

  it('names a shape that does not fit', () => {
    const weights = makeWeights(5, 6);
    expect(() => gruSequence(normal(1, 2, 4) as Tensor3D, weights)).toThrow(/GRU weightIh/);
    expect(() => gruGrid(normal(1, 2, 5) as Tensor3D, weights)).toThrow(/gruGrid weightIh/);
    expect(() => gruSequence(normal(1, 2, 5) as Tensor3D, weights, { mask: tf.ones([1, 3]) })).toThrow(
      /mask/,
    );
  });

  it('leaves no tensors behind', async () => {
    const weights = makeWeights(5, 6);
    const x = normal(2, 3, 5) as Tensor3D;
    const mask = tf.ones([2, 3]) as Tensor2D;
    await noLeaks(() => gruSequence(x, weights, { mask }));
    await noLeaks(() => gruDepth(x, weights));
    await noLeaks(() => {
      const { value, gradients } = gradientsOf(
        v => tf.sum(gruSequence(v.x as Tensor3D, { ...weights, weightHh: v.w as Tensor2D }, { mask }).output),
        { x, w: weights.weightHh },
      );
      return [value, gradients.x, gradients.w];
    });
  });
});
