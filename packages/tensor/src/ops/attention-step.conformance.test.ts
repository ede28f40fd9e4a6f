/** The fused step against the operations it stands for, over shapes that fit no tile, and against values made by hand. */
import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { type AttentionStepInputs, attentionStep } from './attention-step.ts';
import { causalAttention } from './causal-attention.ts';
import { rmsNorm } from './rms-norm.ts';
import { rotary } from './rotary.ts';

beforeAll(testBackend);

interface Shape {
  readonly batch: number;
  readonly length: number;
  readonly past: number;
  readonly hidden: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly window?: number;
  /** Rows of the tables of cos and sin; none: nothing is turned. */
  readonly tables?: number;
}

const SHAPES: Readonly<Record<string, Shape>> = {
  'one token after 128': {
    batch: 1,
    length: 1,
    past: 128,
    hidden: 32,
    heads: 4,
    keyHeads: 4,
    headDim: 8,
    tables: 1,
  },
  'the first token': {
    batch: 1,
    length: 1,
    past: 0,
    hidden: 12,
    heads: 2,
    keyHeads: 1,
    headDim: 6,
    tables: 1,
  },
  'several rows and tokens, shared keys, a window': {
    batch: 3,
    length: 5,
    past: 7,
    hidden: 13,
    heads: 6,
    keyHeads: 2,
    headDim: 10,
    window: 4,
    tables: 3,
  },
  'more tokens than a block, and odd sizes': {
    batch: 2,
    length: 61,
    past: 5,
    hidden: 9,
    heads: 3,
    keyHeads: 1,
    headDim: 5,
    window: 17,
    tables: 1,
  },
  'one row of a batch each, one head': {
    batch: 3,
    length: 1,
    past: 67,
    hidden: 17,
    heads: 1,
    keyHeads: 1,
    headDim: 21,
    tables: 3,
  },
  'nothing turned': { batch: 2, length: 3, past: 1, hidden: 5, heads: 1, keyHeads: 1, headDim: 3 },
};

const random = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);

function inputsOf({
  batch,
  length,
  past,
  hidden,
  heads,
  keyHeads,
  headDim,
  tables,
}: Shape): AttentionStepInputs {
  const shared = keyHeads * headDim;
  const held = (seed: number) => (past === 0 ? undefined : random([batch, past, keyHeads, headDim], seed));
  const angles = tables === undefined ? undefined : random([tables, length, Math.floor(headDim / 2)], 9);
  return {
    x: random([batch * length, hidden], 1),
    norm: random([hidden], 2),
    query: random([heads * headDim, hidden], 3),
    key: random([shared, hidden], 4),
    value: random([shared, hidden], 5),
    output: random([hidden, heads * headDim], 6),
    cos: angles && tf.cos(angles),
    sin: angles && tf.sin(angles),
    pastKey: held(7),
    pastValue: held(8),
  };
}

describe('attentionStep', () => {
  it.each(Object.entries(SHAPES))('%s', async (_, shape) => {
    const { batch, headDim, window = 0 } = shape;
    const inputs = tf.tidy(() => inputsOf(shape) as tf.NamedTensorMap) as unknown as AttentionStepInputs;
    const attrs = { batch, headDim, epsilon: 1e-5, scale: 0.3, window };
    const step = noLeaksBut(3, () => attentionStep(inputs, attrs));
    const composed = tf.tidy(() => {
      const normed = rmsNorm(inputs.x as tf.Tensor2D, inputs.norm as tf.Tensor1D, 1e-5);
      const split = (w: tf.Tensor): tf.Tensor4D =>
        tf.reshape(tf.matMul(normed, w as tf.Tensor2D, false, true), [batch, shape.length, -1, headDim]);
      const turn = (y: tf.Tensor4D): tf.Tensor4D =>
        inputs.cos === undefined ? y : rotary(y, inputs.cos as tf.Tensor3D, inputs.sin as tf.Tensor3D);
      const after = (past: tf.Tensor | undefined, y: tf.Tensor4D): tf.Tensor4D =>
        past === undefined ? y : tf.concat([past as tf.Tensor4D, y], 1);
      const key = after(inputs.pastKey, turn(split(inputs.key)));
      const value = after(inputs.pastValue, split(inputs.value));
      const mixed = causalAttention(turn(split(inputs.query)), key, value, { scale: 0.3, window });
      const flat = tf.reshape(mixed, [batch * shape.length, -1]);
      return {
        key,
        value,
        output: tf.add(inputs.x, tf.matMul(flat as tf.Tensor2D, inputs.output as tf.Tensor2D, false, true)),
      };
    });
    for (const name of ['key', 'value', 'output'] as const) {
      expect(step[name].shape).toEqual(composed[name].shape);
      await expectClose(step[name], await composed[name].data(), { name, tolerance: 1e-5 });
    }
    tf.dispose([step as unknown as tf.TensorContainer, composed, inputs as tf.TensorContainer]);
  });

  it('of one token before whom nothing was: its own value goes through', async () => {
    const one = (values: number[], shape: number[]): tf.Tensor => tf.tensor(values, shape);
    const { output, key, value } = attentionStep(
      {
        x: one([3, 4], [1, 2]),
        norm: one([1, 2], [2]),
        query: one([1, 1], [1, 2]),
        key: one([2, 0], [1, 2]),
        value: one([0, 1], [1, 2]),
        output: one([1, -1], [2, 1]),
      },
      { batch: 1, headDim: 1, epsilon: 0, scale: 1, window: 0 },
    );
    // the norm of (3, 4) is (3, 8)/√12.5
    const [first, second] = [3 / Math.sqrt(12.5), 8 / Math.sqrt(12.5)];
    await expectClose(key, Float64Array.of(2 * first), { name: 'key', tolerance: 1e-5 });
    await expectClose(value, Float64Array.of(second), { name: 'value', tolerance: 1e-5 });
    await expectClose(output, Float64Array.of(3 + second, 4 - second), { name: 'output', tolerance: 1e-5 });
  });

  it('refuses what does not fit', () => {
    const { x, ...rest } = inputsOf(SHAPES['the first token']!);
    const attrs = { batch: 1, headDim: 6, epsilon: 1e-5, scale: 1, window: 0 };
    expect(() => attentionStep({ x: tf.zeros([1, 11]), ...rest }, attrs)).toThrow(
      'expected shape [11], got [12]',
    );
    expect(() => attentionStep({ x, ...rest }, { ...attrs, headDim: 5 })).toThrow(
      'do not divide into heads of 5',
    );
    const again =
      (more: object, changed: object = {}) =>
      () =>
        attentionStep({ x, ...rest, ...more }, { ...attrs, ...changed });
    const three = tf.zeros([18, 12]);
    expect(again({ key: three, value: three })).toThrow('2 heads cannot share 3 key heads');
    expect(again({}, { batch: 2 })).toThrow('1 tokens are no 2 rows');
    const wide = tf.zeros([1, 1, 4]);
    expect(again({ cos: wide, sin: wide })).toThrow('4 angles turn more than a head of 6');
  });
});

/** The result of `run`, which may leave only so many tensors. */
function noLeaksBut<T>(count: number, run: () => T): T {
  const before = tf.memory().numTensors;
  const made = run();
  expect(tf.memory().numTensors - before).toBe(count);
  return made;
}
