import type { Balance, Routing } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import { expectClose, fixture, gradientsOf, testBackend } from '@spectra/testing';
import type { Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { LossWeights } from './losses.ts';
import { SpectraRouterParameters } from './parameters.ts';
import { SpectraRouter } from './spectra-router.ts';

const golden = fixture('router');

/** What the fixture calls each parameter. */
const PARAMETERS: Readonly<Record<string, string>> = {
  'gru.weight_ih': 'weight_ih',
  'gru.weight_hh': 'weight_hh',
  'gru.bias_ih': 'bias_ih',
  'gru.bias_hh': 'bias_hh',
  'projection.weight': 'projection',
  'expression.weight': 'expression',
  depth_embedding: 'depth_embedding',
};

describe('one layer from hidden states to gates and losses', () => {
  beforeAll(testBackend);

  for (const [name, { params, scalars }] of Object.entries(golden.cases)) {
    it(name, async () => {
      const { B, S, H, G, E, D, k } = params as Record<string, number>;
      const { eps: epsilon, iterations, alpha, lam: lambda, beta, tau } = params as Record<string, number>;
      const balance = params.balance as Balance;
      const load = (key: string): Tensor => golden.tensor(`${name}.${key}`);

      const shape = { hidden: H!, experts: E!, routerDim: D!, stateSize: G!, depthEmbedding: 1 };
      const learned = new SpectraRouterParameters(shape, new Rng(0));
      const own = learned.parameters();
      expect(own.map(p => p.name).sort()).toEqual(Object.keys(PARAMETERS).sort());
      for (const p of own) {
        const value = load(PARAMETERS[p.name]!);
        p.variable.assign(value);
        value.dispose();
      }
      const router = new SpectraRouter(learned, {
        k: k!,
        epsilon: epsilon!,
        iterations: iterations!,
        alpha: alpha!,
        lambda: lambda!,
        beta: beta!,
        tau: tau!,
        lossWeights: params.weights as unknown as LossWeights,
      });
      const floats = (key: string) => Float32Array.from(golden.array(`${name}.${key}`).data);
      const state = router.state();
      if (golden.has(`${name}.mean_ema`)) {
        state.mean!.data.set(floats('mean_ema'));
        state.counts!.data.set([1, 1, 0]);
      }
      if (golden.has(`${name}.price_ema`)) {
        state.price!.data.set(floats('price_ema'));
        state.price_average!.data.set(floats('price_ema'));
      }
      router.loadState(state);

      const x = load('x');
      const mask = load('mask') as Tensor2D;
      const cotangent = load('cot_gates');
      const route = (hidden: Tensor) =>
        router.route(hidden as Tensor3D, { balance, training: true, step: 1000, mask });
      const routing: Routing = route(x);
      const check = (value: Tensor | undefined, key: string) =>
        expectClose(value!, golden.array(`${name}.${key}`), {
          case: name,
          name: key,
          error: golden.error(name, key),
        });
      await check(routing.indices, 'index');
      await check(routing.load, 'load');
      await check(routing.probabilities, 'P');
      await check(routing.weights, 'gates');
      const h = tf.reshape(routing.carry!, [B!, S!, G!]);
      await check(h, 'h');
      for (const [term, value] of Object.entries(routing.losses)) {
        await expectClose(value, scalars[term]!, { case: name, name: term, error: golden.error(name, term) });
      }
      const evaluated = router.route(x as Tensor3D, { balance, training: false, step: 1000, mask });
      await check(evaluated.indices, 'index');

      const leaves = { x, ...Object.fromEntries(own.map(p => [PARAMETERS[p.name]!, p.variable as Tensor])) };
      const { value, gradients } = gradientsOf(({ x: hidden }) => {
        const { weights, loss } = route(hidden!);
        return tf.add(tf.sum(tf.mul(weights, cotangent)), loss);
      }, leaves);
      await expectClose(value, scalars.total!, {
        case: name,
        name: 'total',
        error: golden.error(name, 'total'),
      });
      for (const [key, gradient] of Object.entries(gradients)) {
        // the spectral part of the orthogonality term is made by power iteration
        await expectClose(gradient, golden.array(`${name}.grad_${key}`), {
          case: name,
          name: `grad_${key}`,
          error: golden.error(name, `grad_${key}`),
          factor: 2,
        });
      }
      tf.dispose([x, mask, cotangent, h, value]);
      tf.dispose([routing, evaluated, gradients] as unknown as tf.TensorContainer);
      learned.dispose();
    });
  }
});
