/** The published routers that read the token, against their papers' rules run in float64 by PyTorch. */
import { join } from 'node:path';
import { expectClose, fixture, testBackend, workspaceRoot } from '@spectra/testing';
import type { Scalar, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { CosineRouter, QuantileRouter, SinkhornRouter, SoftmaxTopKRouter, TopKRouter } from './index.ts';
import type { HostArray, RouteContext } from './router.ts';
import { release, statisticsOf } from './router-testing.ts';

beforeAll(testBackend);

const golden = fixture('linear', join(workspaceRoot(), 'fixtures', 'routers'));
const KINDS = {
  'softmax-topk': SoftmaxTopKRouter,
  topk: TopKRouter,
  's-base': SinkhornRouter,
  quantile: QuantileRouter,
  cosine: CosineRouter,
} as const;

interface Params {
  readonly kind: keyof typeof KINDS;
  readonly experts: number;
  readonly hidden: number;
  readonly k: number;
  readonly options: Record<string, never>;
}

/** The case's router with its weights and its state. */
function routerOf(name: string): TopKRouter {
  const { kind, options, ...sizes } = golden.cases[name]!.params as unknown as Params;
  const router = new KINDS[kind]({ ...sizes, ...options });
  for (const parameter of router.parameters()) {
    tf.tidy(() => parameter.variable.assign(golden.tensor(`${name}.param.${parameter.name}`)));
  }
  const names = golden.cases[name]!.state as readonly string[];
  const entry = (key: string): [string, HostArray] => {
    const { shape, data } = golden.array(`${name}.state.${key}`);
    return [key, { shape, data: Float32Array.from(data) }];
  };
  router.loadState(Object.fromEntries(names.map(entry)));
  return router;
}

const contextOf = (mask: Tensor2D): RouteContext => ({
  // the rule that trains: causal routers do not care
  balance: 'batch',
  training: true,
  step: 0,
  mask,
});

describe.each(Object.keys(golden.cases))('%s', name => {
  const array = (key: string) => golden.array(`${name}.${key}`);

  it('decides, weighs and loses as published', async () => {
    const router = routerOf(name);
    const x = golden.tensor(`${name}.param.x`) as Tensor3D;
    const mask = golden.tensor(`${name}.param.mask`) as Tensor2D;
    const routing = router.route(x, contextOf(mask));
    await expectClose(routing.indices, array('indices'), { case: name, name: 'indices' });
    await expectClose(routing.load, array('load'), { case: name, name: 'load' });
    for (const key of ['weights', 'probabilities', 'loss'] as const) {
      await expectClose(routing[key], array(key), { case: name, name: key, tolerance: 5e-6 });
    }
    for (const [key, loss] of Object.entries(routing.losses)) {
      const wanted = array(`losses.${key}`);
      await expectClose(loss, wanted, {
        case: name,
        name: key,
        tolerance: 2e-6 * Math.max(1, wanted.data[0]!),
      });
    }
    release(router, x, mask, routing);
  });

  it('has the published gradient', async () => {
    const router = routerOf(name);
    const x = golden.tensor(`${name}.param.x`) as Tensor3D;
    const mask = golden.tensor(`${name}.param.mask`) as Tensor2D;
    const cotangent = golden.tensor(`${name}.param.cotangent`);
    const variables = router.parameters().map(parameter => parameter.variable);
    const f = (input: Tensor): Scalar => {
      const { weights, loss } = router.route(input as Tensor3D, contextOf(mask));
      return tf.add(tf.sum(tf.mul(weights, cotangent)), loss) as Scalar;
    };
    const { grads } = tf.variableGrads(() => f(x), variables);
    const ofInput = tf.grad(f)(x);
    const found: [string, Tensor][] = [
      ...router.parameters().map(p => [p.name, grads[p.variable.name]!] as [string, Tensor]),
      ['x', ofInput],
    ];
    for (const [key, gradient] of found) {
      const wanted = array(`grad.${key}`);
      const largest = Math.max(...Array.from(wanted.data, Math.abs));
      expect(largest, `${key} has a gradient`).toBeGreaterThan(1e-3);
      await expectClose(gradient, wanted, { case: name, name: key, tolerance: 1e-5 * Math.max(1, largest) });
    }
    release(router, x, mask, cotangent, ofInput, ...Object.values(grads));
  });
});

const COMMITTED = Object.keys(golden.cases).flatMap(name => {
  const [full] = golden.names(`${name}.committed.`);
  return full === undefined ? [] : [[name, full] as const];
});

it.each(COMMITTED)('%s commits a step as published', async (name, committed) => {
  const router = routerOf(name);
  const x = golden.tensor(`${name}.param.x`) as Tensor3D;
  const mask = golden.tensor(`${name}.param.mask`) as Tensor2D;
  // the rows as micro-batches of their own come to the same step
  const rows = tf.unstack(x).map(row => tf.expandDims(row, 0) as Tensor3D);
  const masks = tf.unstack(mask).map(row => tf.expandDims(row, 0) as Tensor2D);
  const step = await Promise.all(
    rows.map(async (row, i) => {
      const routing = router.route(row, contextOf(masks[i]!));
      const statistics = await statisticsOf(routing);
      release(routing);
      return statistics;
    }),
  );
  router.commit(step);
  const state = committed.split('.').at(-1)!;
  await expectClose(router.state()[state]!.data, golden.array(committed), { case: name, tolerance: 2e-6 });
  release(router, x, mask, ...rows, ...masks);
});
