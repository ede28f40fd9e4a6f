/** The published linear-gate routers against their definitions over plain arrays in float64. */
import { Rng } from '@spectra/tensor';
import { expectClose, noLeaks, testBackend } from '@spectra/testing';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { context, HIDDEN, release, statisticsOf, TOKENS, tokensOf } from './router-testing.ts';
import type { TopKRouterOptions } from './top-k-options.ts';
import { TopKRouter } from './top-k-router.ts';

beforeAll(testBackend);

const EXPERTS = 8;
type Options = Omit<TopKRouterOptions, 'experts' | 'hidden'> & { readonly c?: readonly number[] };

/** A router with scores that differ clearly, a bias on the logits where it has one, and a correction. */
function make({ c, ...options }: Options): TopKRouter {
  const router = new TopKRouter({ experts: EXPERTS, hidden: HIDDEN, rng: new Rng(1), ...options });
  tf.tidy(() => router.gate.variable.assign(tf.mul(router.gate.variable, 30)));
  tf.tidy(() => router.bias?.variable.assign(tf.linspace(0, 0.7, EXPERTS)));
  if (c !== undefined) {
    router.loadState({ correction_bias: { shape: [EXPERTS], data: Float32Array.from(c) } });
  }
  return router;
}

/** x·Wᵀ [N,E]. */
const logitsOf = (router: TopKRouter, x: Tensor3D): Tensor2D =>
  tf.matMul(tf.reshape(x, [TOKENS, HIDDEN]), router.gate.variable as unknown as Tensor2D, false, true);

/** Experts by falling value, the lowest first among equals. */
const ranked = (values: readonly number[]): number[] =>
  values.map((_, e) => e).sort((a, b) => values[b]! - values[a]! || a - b);

async function expected(router: TopKRouter, x: Tensor3D, { c = [] }: Options) {
  const { k, scores, groups, keptGroups, normalise, scale } = router.options;
  const [values, weight] = [await x.data(), await router.gate.variable.data()];
  const bias = router.bias === undefined ? undefined : await router.bias.variable.data();
  const width = EXPERTS / groups;
  return Array.from({ length: TOKENS }, (_, t) => {
    const logits = Array.from({ length: EXPERTS }, (_, e) => {
      let sum = bias?.[e] ?? 0;
      for (let h = 0; h < HIDDEN; h++) sum += values[t * HIDDEN + h]! * weight[e * HIDDEN + h]!;
      return sum;
    });
    const powers = logits.reduce((sum, l) => sum + Math.exp(l), 0);
    const s = logits.map(l =>
      scores === 'raw' ? l : scores === 'softmax' ? Math.exp(l) / powers : 1 / (1 + Math.exp(-l)),
    );
    const biased = s.map((value, e) => value + (c[e] ?? 0));
    const groupScore = Array.from({ length: groups }, (_, g) => {
      const [first, second] = biased.slice(g * width, (g + 1) * width).sort((a, b) => b - a);
      return first! + (second ?? 0);
    });
    const open = new Set(ranked(groupScore).slice(0, keptGroups));
    const chosen = ranked(biased)
      .filter(e => open.has(Math.floor(e / width)))
      .slice(0, k)
      .sort((a, b) => s[b]! - s[a]! || a - b);
    const mass = chosen.map(e => (scores === 'raw' ? Math.exp(s[e]!) : s[e]!));
    const total = normalise ? mass.reduce((a, b) => a + b, 0) : 1;
    return { chosen, gates: mass.map(m => (scale * m) / total) };
  });
}

const CASES: Readonly<Record<string, Options>> = {
  mixtral: { k: 2 },
  'qwen2-moe, raw shares': { k: 3, normalise: false },
  'deepseek-v3': {
    k: 3,
    scores: 'sigmoid',
    correction: true,
    groups: 4,
    keptGroups: 2,
    scale: 2.5,
    // s + c is mostly negative: a dropped group closed with 0 would win
    c: [-1.5, -1.2, -1.4, -0.9, -1.1, -1.6, -1.3, -1],
  },
  'kimi-k2': {
    k: 2,
    scores: 'sigmoid',
    correction: true,
    scale: 2.827,
    c: [12, 11.5, 12.2, 11, 12.4, 12.1, 11.8, 12.3],
  },
  'one expert per group': { k: 2, scores: 'sigmoid', groups: 8, keptGroups: 3 },
  'gpt-oss': { k: 3, scores: 'raw', bias: true },
};

describe.each(Object.entries(CASES))('%s', (_, options) => {
  it('chooses and weighs as published', async () => {
    await noLeaks(async () => {
      const router = make(options);
      const x = tokensOf(3);
      const routing = router.route(x, context('none', undefined, false));
      const rows = await expected(router, x, options);
      const indices = await routing.indices.array();
      rows.forEach(({ chosen }, t) => {
        expect(indices[t], `token ${t}`).toEqual(chosen);
      });
      await expectClose(
        routing.weights,
        rows.flatMap(row => row.gates),
        { tolerance: 2e-6 },
      );
      const shares = tf.sum(routing.probabilities, 1);
      await expectClose(shares, new Array<number>(TOKENS).fill(1), { tolerance: 1e-5 });
      release(x, shares, routing, router);
    });
  });

  it('gives nothing to padding', async () => {
    await noLeaks(async () => {
      const router = make(options);
      const x = tokensOf(3);
      const mask = tf.tensor2d([1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1], [2, 7]);
      const routing = router.route(x, context('none', mask));
      const indices = await routing.indices.array();
      for (const t of [2, 7, 8]) expect(indices[t]!.every(e => e === -1)).toBe(true);
      expect((await routing.load.data<'int32'>()).reduce((a, b) => a + b, 0)).toBe(11 * router.slots);
      const at = tf.slice(routing.probabilities, [2, 0], [1, -1]) as Tensor2D;
      await expectClose(at, new Array<number>(EXPERTS).fill(0));
      release(x, mask, at, routing, router);
    });
  });

  it('passes a gradient to its gate', async () => {
    const router = make(options);
    const [x, y] = [tokensOf(3), new Rng(4).normalTensor([TOKENS, router.slots])];
    const { grads, value } = tf.variableGrads(() =>
      tf.sum(tf.mul(router.route(x, context('none', undefined, false)).weights, y)),
    );
    expect((await grads[router.gate.variable.name]!.data()).some(g => Math.abs(g) > 1e-4)).toBe(true);
    tf.dispose([value, grads, y]);
    release(x, router);
  });
});

it('keeps a score that its correction would swallow', async () => {
  const router = new TopKRouter({
    experts: 2,
    hidden: 1,
    k: 1,
    scores: 'sigmoid',
    correction: true,
    scale: 3,
    normalise: true,
  });
  router.gate.variable.assign(tf.tensor2d([[-18], [-17]]));
  router.loadState({ correction_bias: { shape: [2], data: Float32Array.from([12, 11]) } });
  const raw = new TopKRouter({ experts: 2, hidden: 1, k: 2, scores: 'sigmoid', normalise: false });
  raw.gate.variable.assign(tf.tensor2d([[-18], [-17]]));
  const x = tf.ones([1, 1, 1]) as Tensor3D;
  const [corrected, plain] = [router, raw].map(r => r.route(x, context('none', undefined, false)));
  expect([...(await corrected!.indices.data())]).toEqual([0]);
  await expectClose(corrected!.weights, [3], { tolerance: 1e-6 });
  // σ(−18) = 1.52e-8 is less than half the last digit of 12
  const weights = await plain!.weights.data();
  expect(weights[1]! / (1 / (1 + Math.exp(18)))).toBeCloseTo(1, 3);
  release(x, corrected!, plain!, router, raw);
});

it('balances without a loss: the bias of idle experts rises, of busy ones falls', async () => {
  const router = make({ k: 2, scores: 'sigmoid', correction: true, correctionRate: 0.01 });
  const x = tokensOf(3);
  const spread = async (): Promise<number> => {
    const routing = router.route(x, context('batch'));
    const statistics = await statisticsOf(routing);
    router.commit([statistics]);
    release(routing);
    const { data } = statistics.load!;
    return Math.max(...data) - Math.min(...data);
  };
  const first = await spread();
  const moved = [...router.state().correction_bias!.data].map(c => Math.round(c * 1e6) / 1e6);
  expect(new Set(moved).size, 'some up, some down').toBeGreaterThan(1);
  expect(moved.every(c => [-0.01, 0, 0.01].includes(c))).toBe(true);
  let last = first;
  for (let step = 0; step < 120; step++) last = Math.min(last, await spread());
  expect(last).toBeLessThan(first / 2);
  release(x, router);
});

it.each(['softmax', 'sigmoid', 'raw'] as const)(
  'the gate of one %s expert is what it learns by',
  async scores => {
    const router = make({ k: 1, scores });
    const x = tokensOf(3);
    const routing = router.route(x, context('none', undefined, false));
    const best = tf.max(
      scores === 'sigmoid' ? tf.sigmoid(logitsOf(router, x)) : tf.softmax(logitsOf(router, x)),
      1,
    );
    const ones = new Array<number>(TOKENS).fill(1);
    // a raw score is no gate, and the softmax of one is 1
    await expectClose(routing.weights, scores === 'raw' ? ones : await best.data<'float32'>(), {
      tolerance: 1e-6,
    });
    const { value, grads } = tf.variableGrads(
      () => tf.sum(router.route(x, context('none', undefined, false)).weights) as tf.Scalar,
    );
    const slopes = await grads[router.gate.variable.name]!.data<'float32'>();
    expect(slopes.some(slope => Math.abs(slope) > 1e-4)).toBe(scores !== 'raw');
    tf.dispose([value, grads, best]);
    release(x, routing, router);
  },
);

it.each([-47, -56, -90, -200])('sigmoids of logits near %f have a finite gradient', async logit => {
  const router = new TopKRouter({
    ...{ experts: 4, hidden: 1, k: 2, scores: 'sigmoid' },
    sequenceLoss: 1,
    balanceLoss: 1,
  });
  router.gate.variable.assign(tf.tensor2d([logit, logit - 1, logit - 2, logit - 3], [4, 1]));
  const x = tf.ones([1, 3, 1]) as Tensor3D;
  const { value, grads } = tf.variableGrads(() => router.route(x, context('none')).loss);
  for (const tensor of [value, grads[router.gate.variable.name]!]) {
    expect((await tensor.data<'float32'>()).every(Number.isFinite)).toBe(true);
  }
  tf.dispose([value, grads]);
  release(x, router);
});

it('hands out copies of its state, and says what a commit lacks', () => {
  const router = make({ k: 2, correction: true });
  router.state().correction_bias!.data[0] = 7;
  expect(router.state().correction_bias!.data[0]).toBe(0);
  expect(() => router.commit([{}])).toThrow('statistics need load');
  release(router);
});

it('refuses what cannot be chosen', () => {
  expect(() => make({ k: 2, groups: 3 })).toThrow('3 groups');
  expect(() => make({ k: 2, groups: 4, keptGroups: 5 })).toThrow('5 of 4');
  expect(() => make({ k: 4, groups: 4, keptGroups: 1 })).toThrow('2 experts of 1');
  expect(() => make({ k: 2, scores: 'raw', normalise: false })).toThrow('normalise');
  expect(() =>
    make({ k: 2 }).loadState({ correction_bias: { shape: [8], data: new Float32Array(8) } }),
  ).toThrow('correction_bias');
});
