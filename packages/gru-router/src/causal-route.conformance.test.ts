/** The causal route as one op against the same route composed of operations that have gradients. */
import type { RouteContext, Routing } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import type { Scalar, Tensor, Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SpectraRouter } from './spectra-router.ts';
import type { SpectraRoutersOptions } from './spectra-routers.ts';
import { testRouters, toHost } from './testing.ts';

beforeAll(testBackend);

const H = 12;
const rng = new Rng(21);
const normal = (...shape: number[]): Tensor => rng.normalTensor(shape);
const flags = (B: number, S: number, share: number): Tensor2D =>
  tf.tensor2d(
    Array.from({ length: B }, () => Array.from({ length: S }, () => Number(rng.uniform() < share))),
  );

/** Under a tape a route is composed, as its gradient may be wanted. */
function composed(router: SpectraRouter, x: Tensor3D, context: RouteContext): Routing {
  let routing: Routing | undefined;
  const { value, grads } = tf.variableGrads(
    () => {
      routing = router.route(x, context);
      for (const tensor of tensorsOf(routing)) tf.keep(tensor);
      return tf.sum(routing.weights) as Scalar;
    },
    router.parameters().map(p => p.variable),
  );
  tf.dispose([value, grads]);
  return routing!;
}

function tensorsOf(routing: Routing): Tensor[] {
  return Object.values(routing).filter((value): value is Tensor => value instanceof tf.Tensor);
}

interface Case {
  readonly shape: readonly [number, number];
  readonly options?: Partial<SpectraRoutersOptions>;
  readonly context?: (B: number, S: number, G: number) => Partial<RouteContext>;
}

const CASES: Readonly<Record<string, Case>> = {
  'one token': { shape: [1, 1] },
  'one token after others': {
    shape: [3, 1],
    context: (B, S, G) => ({ cache: normal(B, G) as Tensor2D, below: normal(B, S, G) as Tensor3D }),
  },
  'padding and documents': {
    shape: [3, 7],
    context: (B, S, G) => ({
      mask: flags(B, S, 0.6),
      documentStart: flags(B, S, 0.3),
      below: normal(B, S, G) as Tensor3D,
    }),
  },
  'padding only': { shape: [2, 2], context: (B, S) => ({ mask: tf.zeros([B, S]) }) },
  'a sequence without a price': {
    shape: [2, 5],
    options: { recurrence: 'sequence' },
    context: () => ({ balance: 'none' }),
  },
  'odd sizes': { shape: [1, 9], options: { experts: 5, k: 3, routerDim: 3, stateSize: 7 } },
  'every expert': { shape: [2, 3], options: { experts: 3, k: 3 } },
  'one expert': { shape: [1, 4], options: { experts: 1, k: 1 } },
  groups: { shape: [2, 6], options: { groups: 2, k: 4 } },
  'gates of the cost': { shape: [2, 6], options: { gates: 'cost' } },
  'a small temperature': { shape: [2, 6], options: { epsilon: 0.005 } },
  'one token of padding': { shape: [1, 1], context: () => ({ mask: tf.zeros([1, 1]) }) },
  ...Object.fromEntries(Array.from({ length: 8 }, (_, seed) => [`drawn ${seed}`, drawn(seed)])),
};

/** Sizes that nothing was made for. */
function drawn(seed: number): Case {
  const sizes = new Rng(seed).split('route');
  const groups = 1 + sizes.integer(2);
  const share = 1 + sizes.integer(3);
  const experts = groups * (share + sizes.integer(5));
  return {
    shape: [1 + sizes.integer(4), 1 + sizes.integer(9)],
    options: {
      groups,
      k: groups * share,
      experts,
      routerDim: 1 + sizes.integer(20),
      stateSize: 1 + sizes.integer(20),
      gates: sizes.uniform() < 0.5 ? 'cost' : 'plan',
    },
    context: (B, S, G) => ({
      mask: flags(B, S, 0.7),
      documentStart: flags(B, S, 0.2),
      cache: normal(B, G) as Tensor2D,
    }),
  };
}

describe.each(Object.entries(CASES))('%s', (_, { shape: [B, S], options = {}, context = () => ({}) }) => {
  it('is the composed route', async () => {
    const [router] = testRouters({ hidden: H, ...options }) as [SpectraRouter];
    for (let i = 0; i < 2; i++) {
      const training = { balance: 'batch', training: true, step: i } as const;
      router.commit([await toHost(router.route(normal(4, 16, H) as Tensor3D, training).statistics)]);
    }
    const x = normal(B, S, H) as Tensor3D;
    const given: RouteContext = {
      balance: 'potentials',
      training: false,
      step: 0,
      ...context(B, S, options.stateSize ?? 8),
    };
    const [ours, theirs] = [router.route(x, given), composed(router, x, given)];
    expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort());
    for (const name of ['indices', 'load'] as const) {
      expect([...(await ours[name].data())], name).toEqual([...(await theirs[name].data())]);
    }
    for (const name of ['weights', 'probabilities', 'expertVectors', 'carry', 'cache'] as const) {
      const [a, b] = [ours[name], theirs[name]];
      if (a === undefined || b === undefined) continue;
      expect(a.shape, name).toEqual(b.shape);
      await expectClose(a, (await b.data()) as Float32Array, { name, tolerance: 3e-6 });
    }
  });
});

it('refuses what came before of another shape, on every backend', () => {
  const [router] = testRouters({ hidden: H }) as [SpectraRouter];
  const x = normal(2, 3, H) as Tensor3D;
  const route = (more: Partial<RouteContext>) => () =>
    router.route(x, { balance: 'potentials', training: false, step: 0, ...more });
  expect(route({ cache: normal(1, 8) as Tensor2D })).toThrow(/cache/);
  expect(route({ below: normal(2, 3, 7) as Tensor3D })).toThrow(/below/);
  expect(route({ documentStart: tf.zeros([3, 2]) })).toThrow(/documentStart/);
  expect(route({ mask: tf.ones([3, 2]) })).toThrow(/mask/);
});

it.each(['int32', 'bool'] as const)('takes a mask of %s for what it says', async dtype => {
  const [router] = testRouters({ hidden: H }) as [SpectraRouter];
  const x = normal(2, 3, H) as Tensor3D;
  const mask = tf.tensor2d([1, 1, 0, 1, 1, 1], [2, 3]);
  for (const balance of ['potentials', 'batch'] as const) {
    const route = (given: tf.Tensor2D) => router.route(x, { balance, training: false, step: 0, mask: given });
    const [floats, others] = [route(mask), route(tf.cast(mask, dtype))];
    expect([...(await others.indices.data())]).toEqual([...(await floats.indices.data())]);
    await expectClose(others.probabilities, await floats.probabilities.data<'float32'>(), {
      tolerance: 1e-7,
    });
  }
});

it('follows the averages: after a step, and after another state is loaded', async () => {
  const [router, other] = [testRouters({ hidden: H }), testRouters({ hidden: H })].map(
    routers => routers[0] as SpectraRouter,
  ) as [SpectraRouter, SpectraRouter];
  const x = normal(2, 5, H) as Tensor3D;
  const decode: RouteContext = { balance: 'potentials', training: false, step: 0 };
  const learn = async (learner: SpectraRouter): Promise<void> => {
    const batch = normal(4, 16, H) as Tensor3D;
    const training = { balance: 'batch', training: true, step: 0 } as const;
    learner.commit([await toHost(learner.route(batch, training).statistics)]);
  };
  const check = async (): Promise<Float32Array> => {
    const [ours, theirs] = [router.route(x, decode), composed(router, x, decode)];
    const probabilities = await ours.probabilities.data<'float32'>();
    await expectClose(probabilities, await theirs.probabilities.data<'float32'>(), { tolerance: 3e-6 });
    return probabilities;
  };
  const fresh = await check();
  await learn(router);
  const learned = await check();
  expect(learned).not.toEqual(fresh);
  await learn(other);
  await learn(other);
  router.loadState(other.state());
  expect(await check()).not.toEqual(learned);
});

it('leaves no tensors behind, nor does a route that fails', async () => {
  const [router] = testRouters({ hidden: H }) as [SpectraRouter];
  const x = normal(1, 2, H) as Tensor3D;
  const decode = { balance: 'potentials', training: false, step: 0 } as const;
  await noLeaks(() => tf.tidy(() => router.route(x, decode).weights));
  if (tf.getBackend() === 'webgpu') return; // there nothing is read back, so nothing throws
  const bad = tf.fill([1, 2, H], Number.NaN) as Tensor3D;
  await noLeaks(() => {
    expect(() => router.route(bad, decode)).toThrow(/NaN/);
  });
});
