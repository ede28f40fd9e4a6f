/** The fused cost against its parts in plain ops, on the same backend: outputs, and the gradient of all of them. */
import { gramMatrix } from '@spectra/gram';
import { normalise } from '@spectra/tensor';
import { testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { routerCostGradientReference } from './kernels/reference/router-cost.ts';
import { OSR_DEFAULTS } from './osr-cost.ts';
import { routerCostOp } from './router-cost-op.ts';

beforeAll(testBackend);

const CASES = {
  'one token, one expert, one dimension': { shape: [1, 1, 1], masked: false, given: false },
  'odd sizes and padding': { shape: [7, 5, 3], masked: true, given: false },
  'a given Gram matrix': { shape: [6, 4, 9], masked: false, given: true },
  'more experts than the products of a token have room for': {
    shape: [3, 75, 2],
    masked: true,
    given: false,
  },
} as const;

const random = (shape: readonly number[], seed: number): Tensor =>
  tf.randomUniform([...shape], -1, 1, 'float32', seed);

async function expectNear(name: string, ours: Tensor, theirs: Tensor): Promise<void> {
  expect(ours.shape, name).toEqual(theirs.shape);
  const [a, b] = (await Promise.all([ours.data(), theirs.data()])) as [Float32Array, Float32Array];
  const size = Math.max(1, ...b.map(Math.abs));
  const worst = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
  expect(worst / size, name).toBeLessThan(1e-5);
}

describe.each(Object.entries(CASES))('%s', (_, { shape, masked, given }) => {
  const [N, E] = shape;
  const attrs = { ...OSR_DEFAULTS, tau: 0.3, normalise: true, speciality: true };
  const inputs = (): { r: Tensor; x: Tensor; mask: Tensor | undefined; gram: Tensor | undefined } => ({
    r: random(shape, 1),
    x: random(shape, 2),
    mask: masked ? tf.tensor1d(Array.from({ length: N }, (_, t) => (t % 3 === 1 ? 0 : 1))) : undefined,
    gram: given ? random([E, E], 3) : undefined,
  });

  it('forward', async () => {
    const { r, x, mask, gram } = inputs();
    const [scores, cost, usedGram, mean, special] = routerCostOp({ r, x, mask, gram }, attrs);
    const [R, X] = [normalise(r) as Tensor3D, normalise(x) as Tensor3D];
    const live = (mask ?? tf.ones([N])) as Tensor;
    const wantedMean = tf.div(tf.sum(tf.mul(X, live.reshape([N, 1, 1])), 0), tf.sum(live)) as Tensor2D;
    const wantedGram = gram ?? gramMatrix(wantedMean);
    const wantedScores = tf.sum(tf.mul(R, X), 2) as Tensor2D;
    const off = tf.mul(wantedGram, tf.sub(1, tf.eye(E))) as Tensor2D;
    const hinge = tf.square(tf.relu(tf.sub(tf.abs(wantedScores), attrs.tau))).mul(attrs.beta);
    const repulsion = tf.matMul(tf.abs(wantedScores) as Tensor2D, tf.square(off)).mul(attrs.lambda);
    const pairs = tf.square(tf.matMul(R, R, false, true)).mul(tf.sub(1, tf.eye(E)));
    await expectNear('scores', scores!, wantedScores);
    await expectNear('mean', mean!, wantedMean);
    await expectNear('gram', usedGram!, wantedGram);
    await expectNear('cost', cost!, repulsion.sub(wantedScores).add(hinge));
    await expectNear('speciality', special!, tf.sum(pairs, [1, 2]));
  });

  it('gradient', async () => {
    const { r, x, mask, gram } = inputs();
    const outputs = routerCostOp({ r, x, mask, gram }, attrs);
    const cotangents = outputs.map((output, i) => random(output.shape, 10 + i));
    const [dScores, dCost, dGram, dMean, dSpecial] = cotangents as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const [dr, dx] = tf.grads((a: Tensor, b: Tensor) =>
      tf.addN(
        routerCostOp({ r: a, x: b, mask, gram }, attrs).map((out, i) => tf.sum(tf.mul(out, cotangents[i]!))),
      ),
    )([r, x]);
    const [scores, , used, mean] = outputs as [Tensor, Tensor, Tensor, Tensor];
    const [wantedR, wantedX] = routerCostGradientReference(
      { r, x, mask, scores, gram: used, mean, dScores, dCost, dGram, dMean, dSpecial },
      { ...attrs, ownGram: !given },
    );
    await expectNear('dr', dr!, wantedR!);
    await expectNear('dx', dx!, wantedX!);
  });
});
