/** The fused cost against its parts in plain ops, on the same backend: outputs, and the gradient of all of them. */
import { gramMatrix } from '@spectra/gram';
import { normalise, Rng } from '@spectra/tensor';
import { testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { routerCostGradientReference } from './kernels/reference/router-cost.ts';
import { OSR_DEFAULTS } from './osr-cost.ts';
import { type RouterCostAttrs, routerCostOp } from './router-cost-op.ts';

beforeAll(testBackend);

interface Case {
  /** N, E, D */
  readonly shape: readonly [number, number, number];
  /** Which tokens are padding, if any is. */
  readonly padding?: ((token: number) => boolean) | undefined;
  /** Whether the Gram matrix is given. */
  readonly given?: boolean;
  readonly attrs?: Partial<RouterCostAttrs>;
}

const third = (t: number): boolean => t % 3 === 1;
const CASES: Readonly<Record<string, Case>> = {
  'one token, one expert, one dimension': { shape: [1, 1, 1] },
  'no token': { shape: [0, 4, 3] },
  'odd sizes and padding': { shape: [7, 5, 3], padding: third },
  'a given Gram matrix': { shape: [6, 4, 9], given: true },
  'one token': { shape: [1, 7, 5] },
  'one expert': { shape: [9, 1, 6], padding: third },
  'one token between padding': { shape: [6, 3, 5], padding: t => t !== 4 },
  'padding only': { shape: [5, 4, 3], padding: () => true },
  'more tokens than a block': { shape: [133, 6, 17], padding: third },
  'the most experts that workgroup memory has room for': { shape: [3, 72, 3], padding: third },
  'more experts than the products of a token have room for': { shape: [3, 75, 2], padding: third },
  'rows of unit length as they are, no speciality': {
    shape: [10, 6, 7],
    padding: third,
    attrs: { normalise: false, speciality: false },
  },
  ...Object.fromEntries(Array.from({ length: 8 }, (_, seed) => [`drawn ${seed}`, drawn(seed)])),
};

/** Sizes that nothing was made for. */
function drawn(seed: number): Case {
  const rng = new Rng(seed).split('cost');
  return {
    shape: [1 + rng.integer(40), 1 + rng.integer(20), 1 + rng.integer(24)],
    padding: rng.uniform() < 0.5 ? third : undefined,
    given: rng.uniform() < 0.3,
    attrs: { normalise: rng.uniform() < 0.7, speciality: rng.uniform() < 0.7 },
  };
}

const random = (shape: readonly number[], seed: number): Tensor =>
  tf.randomUniform([...shape], -1, 1, 'float32', seed);

async function expectNear(name: string, ours: Tensor, theirs: Tensor): Promise<void> {
  expect(ours.shape, name).toEqual(theirs.shape);
  const [a, b] = (await Promise.all([ours.data(), theirs.data()])) as [Float32Array, Float32Array];
  const size = Math.max(1, ...b.map(Math.abs));
  const worst = a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
  expect(worst / size, name).toBeLessThan(1e-5);
}

describe.each(Object.entries(CASES))('%s', (_, { shape, padding, given = false, attrs: other }) => {
  const [N, E] = shape;
  const attrs = { ...OSR_DEFAULTS, tau: 0.3, normalise: true, speciality: true, ...other };
  const inputs = (): { r: Tensor; x: Tensor; mask: Tensor | undefined; gram: Tensor | undefined } => ({
    r: random(shape, 1),
    x: random(shape, 2),
    mask: padding && tf.tensor1d(Array.from({ length: N }, (_, t) => (padding(t) ? 0 : 1))),
    gram: given ? random([E, E], 3) : undefined,
  });

  it('forward', async () => {
    const { r, x, mask, gram } = inputs();
    const [scores, cost, usedGram, mean, special] = routerCostOp({ r, x, mask, gram }, attrs);
    const [R, X] = (attrs.normalise ? [normalise(r), normalise(x)] : [r, x]) as [Tensor3D, Tensor3D];
    const live = (mask ?? tf.ones([N])) as Tensor;
    const wantedMean = tf.div(
      tf.sum(tf.mul(X, live.reshape([N, 1, 1])), 0),
      tf.maximum(tf.sum(live), 1),
    ) as Tensor2D;
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
    const wantedSpecial = tf.sum(pairs, [1, 2]);
    await expectNear('speciality', special!, attrs.speciality ? wantedSpecial : tf.zeros([N]));
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
