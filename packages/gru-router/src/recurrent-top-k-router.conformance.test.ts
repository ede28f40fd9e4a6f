/** Softmax top-k on a recurrent context: two layers against PyTorch's GRU in float64, and what the contract asks. */
import { join } from 'node:path';
import type { RouteContext, Routing } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import { expectClose, fixture, noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import type { Scalar, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { gruSwitchRouters, type RecurrentTopKRouter, rmoeRouters, spectraRouters } from './index.ts';

beforeAll(testBackend);

const golden = fixture('recurrent', join(workspaceRoot(), 'fixtures', 'routers'));
const prefix = (layer: number | undefined): string => (layer === undefined ? 'shared.' : `${layer}.`);
const TRAIN = { balance: 'batch', training: true, step: 0 } as const;

interface Params {
  readonly kind: 'rmoe' | 'gru-switch';
  readonly experts: number;
  readonly hidden: number;
  readonly k: number;
  readonly layers: number;
  readonly options: { readonly stateSize: number; readonly balanceLoss: number; readonly zLoss: number };
}

const MAKERS = { rmoe: rmoeRouters, 'gru-switch': gruSwitchRouters };

function make(params: Params): RecurrentTopKRouter[] {
  const { kind, options, ...sizes } = params;
  return MAKERS[kind]({ ...sizes, ...options }, new Rng(3), prefix);
}

function parametersOf(routers: readonly RecurrentTopKRouter[]) {
  return [...new Set(routers.flatMap(router => router.parameters()))];
}

/** Routes every layer, the carry of one entering the next. */
function stack(
  routers: readonly RecurrentTopKRouter[],
  xs: readonly Tensor[],
  context: RouteContext,
): Routing[] {
  const found: Routing[] = [];
  for (const [layer, router] of routers.entries()) {
    const below = found.at(-1)?.carry;
    found.push(router.route(xs[layer] as Tensor3D, below === undefined ? context : { ...context, below }));
  }
  return found;
}

describe.each(Object.keys(golden.cases))('%s', name => {
  const params = golden.cases[name]!.params as unknown as Params;
  const layers = Array.from({ length: params.layers }, (_, layer) => layer);

  it('decides, weighs, loses and learns as published', async () => {
    const routers = make(params);
    const parameters = parametersOf(routers);
    for (const { name: key, variable } of parameters) {
      tf.tidy(() => variable.assign(golden.tensor(`${name}.param.${key}`)));
    }
    const xs = layers.map(layer => golden.tensor(`${name}.param.x.${layer}`));
    const cotangents = layers.map(layer => golden.tensor(`${name}.param.cotangent.${layer}`));
    const context = { ...TRAIN, mask: golden.tensor(`${name}.param.mask`) as Tensor2D };
    const routings = stack(routers, xs, context);
    for (const [layer, routing] of routings.entries()) {
      for (const key of ['indices', 'weights', 'loss'] as const) {
        const wanted = golden.array(`${name}.${layer}.${key}`);
        const tolerance = key === 'indices' ? 0 : 1e-5;
        await expectClose(routing[key], wanted, { case: name, name: `${layer}.${key}`, tolerance });
      }
    }
    const f = (...inputs: Tensor[]): Scalar => {
      const terms = stack(routers, inputs, context).map(({ weights, loss }, layer) =>
        tf.add(tf.sum(tf.mul(weights, cotangents[layer]!)), loss),
      );
      return tf.addN(terms) as Scalar;
    };
    const variables = parameters.map(({ variable }) => variable);
    const { grads } = tf.variableGrads(() => f(...xs), variables);
    const found = new Map<string, Tensor>(parameters.map(p => [p.name, grads[p.variable.name]!]));
    for (const [layer, gradient] of tf.grads(f)(xs).entries()) found.set(`x.${layer}`, gradient);
    for (const [key, gradient] of found) {
      const wanted = golden.array(`${name}.grad.${key}`);
      const largest = Math.max(...Array.from(wanted.data, Math.abs));
      expect(largest, key).toBeGreaterThan(1e-3);
      await expectClose(gradient, wanted, { case: name, name: key, tolerance: 1e-5 * Math.max(1, largest) });
    }
    tf.dispose([routings as unknown as Tensor[], ...found.values(), ...xs, ...cotangents, context.mask]);
    for (const parameter of parameters) parameter.dispose();
  });

  it('leaks nothing, in training and not', async () => {
    const routers = make(params);
    const xs = layers.map(layer => new Rng(layer).normalTensor([2, 5, params.hidden]));
    for (const training of [true, false]) {
      await noLeaks(() => stack(routers, xs, { ...TRAIN, training }) as unknown as Tensor[]);
    }
    expect(routers[0]!.state()).toEqual({});
    expect(() => routers[0]!.route(tf.zeros([1, 2, params.hidden + 1]), TRAIN)).toThrow(
      expect.objectContaining({ code: 'SHAPE' }),
    );
    for (const parameter of parametersOf(routers)) parameter.dispose();
    tf.dispose(xs);
  });
});

it('the control begins with the recurrence of SPECTRA', async () => {
  const options = { hidden: 6, experts: 4, k: 2, layers: 2, stateSize: 5 };
  const control = parametersOf(gruSwitchRouters(options, new Rng(5), prefix));
  const spectra = new Map(
    spectraRouters({ ...options, routerDim: 3 }, new Rng(5), prefix)
      .flatMap(router => router.parameters())
      .map(parameter => [parameter.name, parameter]),
  );
  const shared = control.filter(({ name }) => name.includes('gru.'));
  expect(shared).toHaveLength(8);
  for (const { name, variable } of shared) {
    expect(await variable.data(), name).toEqual(await spectra.get(name)!.variable.data());
  }
  for (const parameter of [...control, ...spectra.values()]) parameter.dispose();
});
