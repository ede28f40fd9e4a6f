/** Edge cases that golden files do not have. */
import { Rng } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  ExpressionProjector,
  expertMean,
  gramMatrix,
  gramOrthogonality,
  gramOrthogonalityCeiling,
  gramOrthogonalityReference,
  newtonSchulz,
  orthogonal,
  orthogonalFromRng,
  orthogonalityLoss,
} from './index.ts';

beforeAll(testBackend);

const number = async (t: Tensor) => (await t.data())[0]!;

describe('orthogonal', () => {
  it.each([
    [5, 3],
    [3, 5],
    [4, 4],
    [1, 6],
    [6, 1],
  ])('%d×%d has orthonormal long vectors', async (rows, cols) => {
    const W = orthogonalFromRng(new Rng(3), rows, cols, 2);
    const gram = rows <= cols ? tf.matMul(W, W, false, true) : tf.matMul(W, W, true, false);
    await expectClose(gram, await tf.mul(tf.eye(Math.min(rows, cols)), 4).data(), { tolerance: 1e-5 });
  });

  it('does not change what is orthogonal already', async () => {
    const W = orthogonalFromRng(new Rng(4), 6, 9);
    await expectClose(orthogonal(W), await W.data(), { tolerance: 1e-5 });
  });

  it('keeps the sign of a single vector', async () => {
    await expectClose(orthogonal(tf.tensor2d([[-3, 4]])), [-0.6, 0.8], { tolerance: 1e-6 });
  });
});

it('newtonSchulz of zeros is zeros', async () => {
  await expectClose(newtonSchulz(tf.zeros([2, 3])), new Float32Array(6));
});

describe('orthogonalityLoss', () => {
  it('is 0 with gradient 0 at the identity', async () => {
    const { frobenius, spectral, loss } = orthogonalityLoss(tf.eye(4));
    expect(await Promise.all([frobenius, spectral, loss].map(number))).toEqual([0, 0, 0]);
    const gradient = tf.grad((g: Tensor) => orthogonalityLoss(g as Tensor2D).loss)(tf.eye(4));
    await expectClose(gradient, new Float32Array(16));
  });

  it('finds an eigenvalue of either sign, tied or not', async () => {
    // G − I has eigenvalues ±0.5 (tied), and 0.3
    const gram = tf.tensor2d([
      [1, 0.5, 0],
      [0.5, 1, 0],
      [0, 0, 1.3],
    ]);
    expect(await number(orthogonalityLoss(gram).spectral)).toBeCloseTo(0.25, 6);
    const negative = tf.tensor2d([
      [1, -0.9],
      [-0.9, 1],
    ]);
    expect(await number(orthogonalityLoss(negative).spectral)).toBeCloseTo(0.81, 6);
  });

  it('is finite for identical experts', async () => {
    const { spectral } = orthogonalityLoss(gramMatrix(tf.ones([64, 3])));
    expect((await number(spectral)) / 63 ** 2).toBeCloseTo(1, 5);
  });
});

it('expertMean does not read padding and is 0 without tokens', async () => {
  const X = tf.tensor3d([1, 2, Number.NaN, Number.NaN, 3, 6], [3, 1, 2]);
  await expectClose(expertMean(X, tf.tensor1d([1, 0, 1])), [2, 4], { tolerance: 1e-6 });
  await expectClose(expertMean(tf.ones([2, 1, 2]), tf.zeros([2])), [0, 0]);
  expect(expertMean(tf.zeros([0, 3, 2])).shape).toEqual([3, 2]);
});

it('a single expert is orthogonal', async () => {
  expect(await number(gramOrthogonality(tf.eye(1)))).toBe(1);
  expect(await number(gramOrthogonalityReference(tf.eye(1)))).toBe(1);
  expect(gramOrthogonalityCeiling(1, 4)).toBe(1);
});

describe('ExpressionProjector', () => {
  const shape = { hidden: 10, experts: 3, dim: 2 };

  it('gives unit vectors, the same for the same seed', async () => {
    const [a, b] = [new ExpressionProjector(shape, new Rng(5)), new ExpressionProjector(shape, new Rng(5))];
    const x = new Rng(6).normalTensor([4, 10]) as Tensor2D;
    const X = a.project(x);
    expect(X.shape).toEqual([4, 3, 2]);
    await expectClose(tf.sum(tf.square(X), 2), new Float32Array(12).fill(1), { tolerance: 1e-5 });
    await expectClose(b.project(x), await X.data());
    expect(a.weight.name).toBe('expression.weight');
    expect(await number(a.loss())).toBeCloseTo(0, 6);
  });

  it('newton-schulz maps a drifted weight before use, and trains through it', async () => {
    const projector = new ExpressionProjector({ ...shape, orthogonalise: 'newton-schulz' }, new Rng(5));
    const plain = new ExpressionProjector(shape, new Rng(5));
    const x = new Rng(6).normalTensor([4, 10]) as Tensor2D;
    projector.weight.variable.assign(tf.mul(projector.weight.variable, 3)); // only the length has drifted
    await expectClose(projector.project(x), await plain.project(x).data(), { tolerance: 1e-5 });
    const { grads } = tf.variableGrads(
      () => tf.sum(projector.project(x) as Tensor3D),
      [projector.weight.variable],
    );
    expect(Object.values(grads)[0]!.shape).toEqual([6, 10]);
  });

  it('refuses sizes that are none', () => {
    expect(() => new ExpressionProjector({ ...shape, dim: 0 }, new Rng(1))).toThrow(/dim must be/);
  });
});
