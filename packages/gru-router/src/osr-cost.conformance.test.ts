import { normalise } from '@spectra/tensor';
import { expectClose, fixture, gradientsOf, pairing, testBackend } from '@spectra/testing';
import type { Tensor, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, it } from 'vitest';
import { osrCost } from './osr-cost.ts';

const golden = fixture('cost');

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
