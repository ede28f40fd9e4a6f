import { normalise, Rng } from '@spectra/tensor';
import { expectClose, fixture, gradientsOf, pairing, testBackend } from '@spectra/testing';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { domainScore } from './domain-score.ts';
import { osrCost } from './osr-cost.ts';
import { osrCostOp } from './osr-cost-op.ts';

const golden = fixture('cost');

/** Sizes that end within a vector, a block of rows and a workgroup. */
describe.each([
  [1, 1, 1],
  [1, 6, 5],
  [3, 5, 19],
  [67, 2, 33],
  [5, 33, 4],
  [6, 1, 7],
])('%i tokens, %i experts of width %i', (N, E, D) => {
  beforeAll(testBackend);
  const rng = new Rng(N + 10 * E + 100 * D);
  const draw = (length: number): Float32Array => rng.fillUniform(new Float32Array(length), -1, 1);

  it('have the scores of the definition, with their gradient', async () => {
    const [a, b, dy] = [draw(N * E * D), draw(N * E * D), draw(N * E)];
    const cotangent = tf.tensor2d(dy, [N, E]);
    const { gradients, value } = gradientsOf(
      ({ a: left, b: right }) => pairing([domainScore(left as Tensor3D, right as Tensor3D)], [cotangent]),
      { a: tf.tensor3d(a, [N, E, D]), b: tf.tensor3d(b, [N, E, D]) },
    );
    const along = (x: Float32Array): number[] => Array.from(x, (v, i) => v * dy[Math.floor(i / D)]!);
    await expectClose(
      value,
      along(a).reduce((sum, v, i) => sum + v * b[i]!, 0),
      { tolerance: 2e-5 },
    );
    await expectClose(gradients.a, along(b), { tolerance: 1e-6 });
    await expectClose(gradients.b, along(a), { tolerance: 1e-6 });
  });

  it('have the cost of the definition, with its gradient', async () => {
    const [scores, gram, dy] = [draw(N * E), draw(E * E), draw(N * E)];
    const [lambda, beta, tau] = [0.5, 0.7, 0.3];
    const cost = Array.from(scores, (s, at) => {
      const [t, e] = [Math.floor(at / E), at % E];
      let repulsion = 0;
      for (let i = 0; i < E; i++)
        if (i !== e) repulsion += Math.abs(scores[t * E + i]!) * gram[i * E + e]! ** 2;
      return lambda * repulsion - s + beta * Math.max(Math.abs(s) - tau, 0) ** 2;
    });
    const dScores = Array.from(scores, (s, at) => {
      const [t, i] = [Math.floor(at / E), at % E];
      let pull = 2 * beta * dy[at]! * Math.max(Math.abs(s) - tau, 0);
      for (let e = 0; e < E; e++) if (i !== e) pull += lambda * dy[t * E + e]! * gram[i * E + e]! ** 2;
      return Math.sign(s) * pull - dy[at]!;
    });
    const dGram = Array.from(gram, (g, at) => {
      const [i, e] = [Math.floor(at / E), at % E];
      let sum = 0;
      for (let t = 0; i !== e && t < N; t++) sum += Math.abs(scores[t * E + i]!) * dy[t * E + e]!;
      return 2 * lambda * g * sum;
    });
    const inputs = { scores: tf.tensor2d(scores, [N, E]), gram: tf.tensor2d(gram, [E, E]) };
    const run = (given: Record<string, Tensor>): Tensor =>
      osrCostOp({ scores: given.scores!, gram: given.gram! }, { lambda, beta, tau })[0]!;
    await expectClose(run(inputs), cost, { tolerance: 3e-6 });
    const { gradients } = gradientsOf(given => pairing([run(given)], [tf.tensor2d(dy, [N, E])]), inputs);
    await expectClose(gradients.scores, dScores, { tolerance: 3e-6 });
    await expectClose(gradients.gram, dGram, { tolerance: 1e-5 });
  });
});

describe('OSR cost', () => {
  beforeAll(testBackend);

  for (const [name, { params }] of Object.entries(golden.cases)) {
    const weights = {
      lambda: params.lam as number,
      beta: params.beta as number,
      tau: params.tau as number,
    };
    const load = (key: string): Tensor => golden.tensor(`${name}.${key}`);
    const check = (value: Tensor, key: string) =>
      expectClose(value, golden.array(`${name}.${key}`), {
        case: name,
        name: key,
        error: golden.error(name, key),
      });

    it(`${name}: from the vectors before normalisation`, async () => {
      const inputs = { r: load('r'), x: load('x') };
      const options = { ...weights, ...(golden.has(`${name}.mask`) ? { mask: load('mask') } : {}) };
      const out = tf.tidy(() => {
        const [R, X] = [normalise(inputs.r) as Tensor3D, normalise(inputs.x) as Tensor3D];
        return { ...osrCost(R, X, options), R, X };
      });
      await check(out.R, 'R');
      await check(out.X, 'X');
      await check(out.scores, 's');
      await check(out.gram, 'gram');
      await check(out.cost, 'C');
      const direction = tf.tidy(() => normalise(out.mean));
      await check(direction, 'expert_mean_direction');
      const { gradients } = gradientsOf(({ r, x }) => {
        const { cost } = osrCost(normalise(r!) as Tensor3D, normalise(x!) as Tensor3D, options);
        return pairing([cost], [load('cot_C')]);
      }, inputs);
      await check(gradients.r, 'grad_r');
      await check(gradients.x, 'grad_x');
      tf.dispose([inputs, Object.values(out), direction, gradients.r, gradients.x]);
    });

    it(`${name}: with R and X free`, async () => {
      const inputs = { R: load('R'), X: load('X') };
      const options = { ...weights, ...(golden.has(`${name}.mask`) ? { mask: load('mask') } : {}) };
      const { gradients } = gradientsOf(
        ({ R, X }) => pairing([osrCost(R as Tensor3D, X as Tensor3D, options).cost], [load('cot_C')]),
        inputs,
      );
      await check(gradients.R, 'grad_R');
      await check(gradients.X, 'grad_X');
      tf.dispose([inputs, gradients.R, gradients.X]);
    });
  }
});
