import type { HostStatistics, RouteContext } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import { expectClose, testBackend } from '@spectra/testing';
import type { Tensor2D, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SpectraRouter } from './spectra-router.ts';
import { testRouters, toHost } from './testing.ts';

const [H, E, K] = [12, 8, 2];
const TRAIN: RouteContext = { balance: 'batch', training: true, step: 50 };

/** Tokens that are not spread evenly: without a price some experts are much preferred. */
function skewed(rng: Rng, tokens: number): Tensor3D {
  return tf.tidy(() => {
    const offset = new Rng(99).normalTensor([1, 1, H], 0, 1.5);
    return tf.add(rng.normalTensor([tokens / 64, 64, H]), offset) as Tensor3D;
  });
}

async function statisticsOf(router: SpectraRouter, x: Tensor3D, context = TRAIN): Promise<HostStatistics> {
  const routing = router.route(x, context);
  const found = await toHost(routing.statistics);
  tf.dispose(routing as unknown as tf.TensorContainer);
  return found;
}

async function loadVariation(
  router: SpectraRouter,
  x: Tensor3D,
  balance: 'potentials' | 'none',
): Promise<number> {
  const { load } = router.route(x, { balance, training: false, step: 0 });
  const counts = Array.from(await load.data());
  const mean = counts.reduce((a, b) => a + b, 0) / counts.length;
  return Math.sqrt(counts.reduce((a, b) => a + (b - mean) ** 2, 0) / counts.length) / mean;
}

beforeAll(testBackend);

describe('router state', () => {
  it('changes by commit only, and comes back bit for bit', async () => {
    const [router] = testRouters() as [SpectraRouter];
    const rng = new Rng(1);
    for (let i = 0; i < 3; i++) router.commit([await statisticsOf(router, skewed(rng, 128))]);
    const saved = router.state();
    const x = skewed(rng, 128);
    const statistics = await statisticsOf(router, x);
    await statisticsOf(router, x, { ...TRAIN, balance: 'potentials' });
    expect(router.state()).toEqual(saved);

    const [other] = testRouters() as [SpectraRouter];
    other.loadState(saved);
    expect(other.state()).toEqual(saved);
    expect(await statisticsOf(other, x)).toEqual(statistics);
    router.commit([statistics]);
    other.commit([statistics]);
    expect(other.state()).toEqual(router.state());
    expect(router.state()).not.toEqual(saved);
  });

  it('averages with the momentum that a commit names', async () => {
    const [router] = testRouters() as [SpectraRouter];
    const rng = new Rng(7);
    router.commit([await statisticsOf(router, skewed(rng, 128))]);
    // the i-th with weight i: what came before is forgotten
    const prices: Float32Array[] = [];
    for (let i = 1; i <= 4; i++) {
      router.commit([await statisticsOf(router, skewed(rng, 128))], (i - 1) / (i + 1));
      prices.push(router.price(true));
    }
    const expected = prices[0]!.map((_, e) => prices.reduce((sum, p, i) => sum + (i + 1) * p[e]!, 0) / 10);
    await expectClose(router.price(), expected, { name: 'γ̄', tolerance: 1e-6 });
    const [{ data: mean }, last] = [router.state().mean!, await statisticsOf(router, skewed(rng, 128))];
    router.commit([last], 0);
    expect(router.state().mean!.data).not.toEqual(mean);
    expect(router.price()).toEqual(router.price(true));
  });

  it('counts padding out and adds micro-batches up', async () => {
    const rng = new Rng(2);
    const x = skewed(rng, 128);
    const live = tf.tensor2d(
      Array.from({ length: 128 }, (_, t) => (t % 5 === 0 ? 0 : 1)),
      [2, 64],
    );
    const [router] = testRouters({ recurrence: 'none' }) as [SpectraRouter];
    const masked = await statisticsOf(router, x, { ...TRAIN, balance: 'none', mask: live });
    const rows = tf.tensor1d(
      Array.from({ length: 128 }, (_, t) => t).filter(t => t % 5 !== 0),
      'int32',
    );
    const dense = tf.gather(tf.reshape(x, [128, H]), rows);
    const count = rows.shape[0];
    const parts = [40, count - 40].map(
      (size, i) => tf.slice(dense, [i * 40, 0], [size, -1]).expandDims(0) as Tensor3D,
    );
    const split = [];
    for (const part of parts) split.push(await statisticsOf(router, part, { ...TRAIN, balance: 'none' }));
    const [one, two] = [testRouters()[0]!, testRouters()[0]!];
    one.commit([masked]);
    two.commit(split);
    const [a, b] = [one.state(), two.state()];
    expect(a.price).toEqual(b.price);
    expect(a.cv).toEqual(b.cv);
    for (const [i, value] of a.mean!.data.entries()) expect(value).toBeCloseTo(b.mean!.data[i]!, 6);
  });

  it('starts Sinkhorn where the last step ended', async () => {
    const [warm, cold] = [testRouters(), testRouters({ warmStart: false })].map(r => r[0]!) as [
      SpectraRouter,
      SpectraRouter,
    ];
    const rng = new Rng(3);
    const errors: number[][] = [[], []];
    for (let i = 0; i < 4; i++) {
      const x = skewed(rng, 512);
      for (const [j, router] of [warm, cold].entries()) {
        const statistics = await statisticsOf(router, x);
        errors[j]!.push(statistics.column_error!.data[0]!);
        router.commit([statistics]);
      }
    }
    expect(errors[0]![0]).toBe(errors[1]![0]);
    expect(errors[0]![3]).toBeLessThan(errors[1]![3]! / 2);
  });

  it('has no price and G = I before any step', async () => {
    const [router] = testRouters() as [SpectraRouter];
    const x = skewed(new Rng(4), 64);
    const pick = async (balance: 'potentials' | 'none') =>
      Array.from(await router.route(x, { balance, training: false, step: 0 }).probabilities.data());
    expect(await pick('potentials')).toEqual(await pick('none'));
    expect(router.price()).toEqual(new Float32Array(E));
  });

  it.each(['assignment', 'sinkhorn'] as const)(
    'the %s price evens the load of new tokens out',
    async price => {
      const [router] = testRouters({ price }) as [SpectraRouter];
      const rng = new Rng(5);
      for (let i = 0; i < 120; i++) {
        const x = skewed(rng, 512);
        router.commit([await statisticsOf(router, x, { ...TRAIN, balance: 'potentials' })]);
        x.dispose();
      }
      const held = skewed(rng, 4096);
      const without = await loadVariation(router, held, 'none');
      const priced = await loadVariation(router, held, 'potentials');
      const floor = Math.sqrt((E / K - 1) / 4096);
      expect(without).toBeGreaterThan(0.4);
      expect(priced).toBeLessThan(price === 'assignment' ? 3 * floor : without / 2);
    },
  );

  it('leaves the price alone on a step of few tokens', async () => {
    const [router] = testRouters() as [SpectraRouter];
    const x = tf.slice(skewed(new Rng(6), 64), [0, 0, 0], [-1, 15, -1]) as Tensor3D;
    router.commit([await statisticsOf(router, x)]);
    expect(router.price(true)).toEqual(new Float32Array(E));
    expect(Array.from(router.state().counts!.data)).toEqual([1, 0, 1]);
  });

  it('warms the temperature up with the imbalance', async () => {
    const [router] = testRouters({ adaptiveTemperature: true }) as [SpectraRouter];
    expect(router.epsilon).toBe(0.2);
    router.commit([await statisticsOf(router, skewed(new Rng(7), 512), { ...TRAIN, balance: 'none' })]);
    const cv = router.state().cv!.data[0]!;
    expect(cv).toBeGreaterThan(0.4);
    expect(router.epsilon).toBeCloseTo(0.2 * (1 + Math.min(1, cv)), 6);
  });

  it('refuses a state that does not fit and statistics with a bad cost, and keeps its own', async () => {
    const [router] = testRouters() as [SpectraRouter];
    const statistics = await statisticsOf(router, skewed(new Rng(8), 64));
    const saved = router.state();
    const { price: _, ...missing } = saved;
    expect(() => router.loadState(missing)).toThrow(/price/);
    expect(() => router.loadState({ ...saved, extra: saved.cv! })).toThrow(/extra/);
    expect(() => router.loadState({ ...saved, cv: saved.price! })).toThrow(/cv/);
    const bad = { ...statistics, first_bad: { shape: [], data: Int32Array.of(E + 3) } };
    expect(() => router.commit([statistics, bad])).toThrow(/token 1 at expert 3 of micro-batch 1/);
    expect(() => router.commit([{ tokens: statistics.tokens! }])).toThrow(/expressions/);
    const other = await statisticsOf(router, skewed(new Rng(8), 128));
    const misshapen = { ...statistics, live: { shape: [3], data: Float32Array.of(1, 1, 1) } };
    expect(() => router.commit([other, misshapen])).toThrow(/64 tokens|3 tokens|costs for 8 experts/);
    for (const rho of [Number.NaN, -0.1, 1.5]) {
      expect(() => router.commit([statistics], rho)).toThrow(/rho is in \[0, 1\]/);
    }
    // of a causal rule on a device, where nothing was read back and no transport solved
    const { first_bad: __, ...causal } = statistics;
    const sums = Float32Array.from(statistics.expressions!.data);
    sums[5] = Number.NaN;
    const lost = { ...causal, expressions: { shape: statistics.expressions!.shape, data: sums } };
    expect(() => router.commit([statistics, lost])).toThrow(
      /"expressions" of micro-batch 1 is NaN or infinite/,
    );
    expect(router.state()).toEqual(saved);
    router.commit([]);
    const empty = { ...TRAIN, mask: tf.zeros([1, 64]) as Tensor2D };
    router.commit([await statisticsOf(router, skewed(new Rng(8), 64), empty)]);
    expect(router.state()).toEqual(saved);
  });
});
