/** Shapes that golden files do not have: odd widths, padding, closed experts, groups, empty inputs; and the errors. */
import { Rng } from '@spectra/tensor';
import { noLeaks, testBackend } from '@spectra/testing';
import type { Tensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkSinkhorn, type SinkhornOptions, sinkhorn, warmStart } from './index.ts';
import { plainGradient, plainSinkhorn } from './plain.ts';

/** tf.grad that keeps the input's type. */
function gradOf<T extends Tensor>(f: (x: T) => Tensor): (x: T) => T {
  return x => tf.grad(f as (x: Tensor) => Tensor)(x) as T;
}

beforeAll(testBackend);

function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(actual).reduce((most, value, i) => {
    const found = Math.abs(value - expected[i]!);
    return Number.isNaN(found) ? Number.POSITIVE_INFINITY : Math.max(most, found);
  }, 0);
}

function random(name: string, shape: [number, number], low = -1, high = 1): Tensor2D {
  return new Rng(7).split(name).uniformTensor(shape, low, high) as Tensor2D;
}

function gradient(cost: Tensor2D, cotangent: Tensor, options: SinkhornOptions): Tensor2D {
  return tf.tidy(() =>
    gradOf((c: Tensor2D) => tf.sum(tf.mul(sinkhorn(c, options).plan, cotangent)))(cost),
  ) as Tensor2D;
}

const bits = (tokens: number) => Array.from({ length: tokens }, (_, t) => (t % 3 === 1 ? 0 : 1));
const masses = (experts: number) => Array.from({ length: experts }, (_, e) => (e % 4 === 2 ? 0 : 1 + e));

describe('against plain float64 loops', () => {
  const cases: [number, number, number, boolean, boolean][] = [];
  for (const [N, E] of [
    [1, 1],
    [2, 3],
    [5, 2],
    [33, 5],
    [40, 7],
    [70, 9],
    [37, 13],
  ] as const) {
    for (const epsilon of [0.5, 0.05, 0.005])
      cases.push([N, E, epsilon, false, false], [N, E, epsilon, true, true]);
  }
  it.each(cases)('%d×%d, ε %d, padding %s, column mass %s', async (N, E, epsilon, padded, closed) => {
    const cost = random('cost', [N, E]);
    const cotangent = random('cotangent', [N, E]);
    const values = await cost.data();
    const cot = await cotangent.data();
    const mask = padded ? bits(N) : undefined;
    const columnMass = closed ? masses(E) : undefined;
    const start = Array.from({ length: E }, (_, e) => 0.1 * Math.sin(e));
    for (const iterations of [0, 5]) {
      const problem = { cost: values, tokens: N, experts: E, epsilon, iterations, mask, columnMass, start };
      const options: SinkhornOptions = {
        epsilon,
        iterations,
        mask: mask === undefined ? undefined : tf.tensor1d(mask),
        columnMass: columnMass === undefined ? undefined : tf.tensor1d(columnMass),
        start: tf.tensor1d(start),
      };
      const result = sinkhorn(cost, options);
      expect(worst(await result.plan.data(), plainSinkhorn(problem))).toBeLessThan(3e-6 / epsilon ** 0.5);
      const expected = plainGradient(problem, cot);
      const scale = Math.max(1, ...Array.from(expected, Math.abs));
      expect(worst(await gradient(cost, cotangent, options).data(), expected) / scale).toBeLessThan(
        2e-5 / epsilon ** 0.5,
      );
    }
  });

  it('columns that no token reaches come back', async () => {
    // expert 2 is 400 ε away from every token: its column sum underflows at the first step
    const cost = tf.tensor2d(
      Array.from({ length: 30 }, (_, i) => (i % 3 === 2 ? 4 : 0.01 * Math.sin(i))),
      [10, 3],
    );
    const problem = { cost: await cost.data(), tokens: 10, experts: 3, epsilon: 0.01 };
    for (const iterations of [1, 2, 5]) {
      const plan = sinkhorn(cost, { epsilon: 0.01, iterations }).plan;
      expect(worst(await plan.data(), plainSinkhorn({ ...problem, iterations }))).toBeLessThan(5e-4);
      const cotangent = random('cotangent', [10, 3]);
      const found = gradient(cost, cotangent, { epsilon: 0.01, iterations });
      const expected = plainGradient({ ...problem, iterations }, await cotangent.data());
      expect(worst(await found.data(), expected) / Math.max(...expected.map(Math.abs))).toBeLessThan(1e-3);
    }
  });

  it('groups equal a run on each slice of columns', async () => {
    const [N, E, m] = [21, 12, 4];
    const cost = random('cost', [N, E]);
    const cotangent = random('cotangent', [N, E]);
    const mask = tf.tensor1d(bits(N));
    const options = { epsilon: 0.1, mask, iterations: 40, tolerance: 0.01 };
    const whole = sinkhorn(cost, { ...options, groups: m });
    expect(whole.f.shape).toEqual([N, m]);
    const slices = Array.from(
      { length: m },
      (_, i) => (t: Tensor2D) => tf.slice(t, [0, i * 3], [N, 3]) as Tensor2D,
    );
    const parts = slices.map(slice => sinkhorn(slice(cost), options));
    expect(
      worst(
        await whole.plan.data(),
        await tf
          .concat(
            parts.map(p => p.plan),
            1,
          )
          .data(),
      ),
    ).toBeLessThan(1e-6);
    expect(worst(await whole.g.data(), await tf.concat(parts.map(p => p.g)).data())).toBeLessThan(1e-5);
    const reports = await Promise.all([whole, ...parts].map(checkSinkhorn));
    expect(reports[0]!.steps).toBe(Math.max(...reports.slice(1).map(r => r.steps)));
    expect(new Set(reports.slice(1).map(r => r.steps)).size).toBeGreaterThan(1); // they stop one by one
    for (const kind of ['unrolled', 'detached', 'implicit'] as const) {
      const found = gradient(cost, cotangent, { ...options, groups: m, gradient: kind });
      const expected = slices.map(s => gradient(s(cost), s(cotangent), { ...options, gradient: kind }));
      expect(worst(await found.data(), await tf.concat(expected, 1).data())).toBeLessThan(1e-4);
    }
  });
});

describe('where the wasm kernel changes its ways', () => {
  const check = async (problem: { cost: number[]; E: number; epsilon: number; start?: number[] }) => {
    const { cost, E, epsilon, start } = problem;
    const tokens = cost.length / E;
    const tensor = tf.tensor2d(cost, [tokens, E]);
    const cotangent = random('ways', [tokens, E]);
    for (const iterations of [1, 6]) {
      const options: SinkhornOptions = {
        epsilon,
        iterations,
        start: start === undefined ? undefined : tf.tensor1d(start),
      };
      const plain = { cost, tokens, experts: E, epsilon, iterations, start };
      expect(worst(await sinkhorn(tensor, options).plan.data(), plainSinkhorn(plain))).toBeLessThan(1e-4);
      const expected = plainGradient(plain, await cotangent.data());
      const found = await gradient(tensor, cotangent, options).data();
      const scale = Math.max(1, ...expected.map(Math.abs));
      expect(worst(found, expected) / scale).toBeLessThan(3e-4);
    }
  };
  const costs = (tokens: number, E: number, at: (t: number, e: number) => number) =>
    Array.from({ length: tokens * E }, (_, i) => at(Math.floor(i / E), i % E));

  it('a start so far off that kernel rows must be made anew', () =>
    check({
      cost: costs(11, 5, (t, e) => Math.sin(3 * t + e)),
      E: 5,
      epsilon: 0.1,
      start: [3, 0, 0, -2, 0],
    }));

  it('all tokens want one expert', () =>
    check({
      cost: costs(13, 4, (t, e) => (e === 2 ? 0 : 1.5) + 0.1 * Math.sin(t * e)),
      E: 4,
      epsilon: 0.05,
    }));

  it('a spread past what kernel rows hold', () =>
    check({ cost: costs(9, 6, (t, e) => 3 * Math.cos(2 * t + 5 * e)), E: 6, epsilon: 0.02 }));
});

it('detached: only the last row step is differentiated', async () => {
  const cost = random('cost', [9, 6]);
  const cotangent = random('cotangent', [9, 6]);
  const g = sinkhorn(cost, { epsilon: 0.2 }).g;
  const expected = gradOf((c: Tensor2D) =>
    tf.sum(tf.mul(tf.softmax(tf.sub(g, tf.div(c, 0.2)) as Tensor2D), cotangent)),
  )(cost);
  const found = gradient(cost, cotangent, { epsilon: 0.2, gradient: 'detached' });
  expect(worst(await found.data(), await expected.data())).toBeLessThan(1e-5);
});

it('does not read padding, and gives it a zero row, −∞ and no gradient', async () => {
  const cost = tf.tensor2d([0, 1, Number.NaN, Number.POSITIVE_INFINITY, 1, 0], [3, 2]);
  const mask = tf.tensor1d([1, 0, 1]);
  const result = sinkhorn(cost, { mask });
  expect(Array.from((await result.plan.data()).subarray(2, 4))).toEqual([0, 0]);
  expect((await result.f.data())[1]).toBe(Number.NEGATIVE_INFINITY);
  const cotangent = tf.tensor2d([1, 2, Number.NaN, 3, 4, 5], [3, 2]);
  const values = await gradient(cost, cotangent, { mask }).data();
  expect(Array.from(values.subarray(2, 4), Math.abs)).toEqual([0, 0]);
  expect(Array.from(values).every(Number.isFinite)).toBe(true);
});

it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
  'names the first bad cost: %d',
  bad => {
    const values = Array.from({ length: 35 }, (_, i) => i / 35);
    values[3 * 7 + 5] = bad;
    values[4 * 7 + 1] = bad;
    expect(() => sinkhorn(tf.tensor2d(values, [5, 7]))).toThrow(/token 3, expert 5 is NaN or infinite/);
  },
);

it('runs on no token and on padding only', async () => {
  const empty = sinkhorn(tf.zeros([0, 4]));
  expect(empty.plan.shape).toEqual([0, 4]);
  expect((await checkSinkhorn(empty)).converged).toBe(true);
  const closed = { columnMass: tf.tensor1d([1, 0, 2, 0]), start: tf.tensor1d([1, 9, 3, 9]), epsilon: 0.5 };
  for (const cost of [tf.zeros([0, 4]), tf.ones([3, 4])]) {
    const { g } = sinkhorn(cost as Tensor2D, { ...closed, mask: tf.zeros([cost.shape[0]!]) });
    const [first, second, third, fourth] = await g.data();
    expect([first, second, third, fourth]).toEqual([
      -2,
      Number.NEGATIVE_INFINITY,
      2,
      Number.NEGATIVE_INFINITY,
    ]);
  }
  const marked = sinkhorn(tf.ones([3, 4]), { mask: tf.tensor1d([1, 0, 1], 'int32') });
  expect(Array.from((await marked.plan.data()).subarray(4, 8))).toEqual([0, 0, 0, 0]);
  expect((await marked.plan.data())[0]).toBeCloseTo(0.25, 6);
  const padding = sinkhorn(tf.ones([3, 4]), { mask: tf.zeros([3]) });
  expect(Array.from(await padding.plan.data()).every(p => p === 0)).toBe(true);
  expect(Array.from(await padding.g.data())).toEqual([0, 0, 0, 0]);
});

it('a warm start survives a change of temperature', async () => {
  const cost = random('cost', [64, 8]);
  const skewed = tf.add(cost, tf.linspace(-1, 1, 8)) as Tensor2D;
  const before = sinkhorn(skewed, { epsilon: 0.2, iterations: 50 });
  const start = warmStart(before, 0.2);
  const errors = await Promise.all(
    [start, undefined].map(async s =>
      checkSinkhorn(sinkhorn(skewed, { epsilon: 0.3, iterations: 1, start: s as Tensor1D })),
    ),
  );
  expect(errors[0]!.columnError).toBeLessThan(errors[1]!.columnError / 4);
});

it('refuses what it cannot do', () => {
  const cost = tf.zeros([4, 6]) as Tensor2D;
  expect(() => sinkhorn(cost, { epsilon: 0 })).toThrow(/epsilon must be positive/);
  expect(() => sinkhorn(cost, { iterations: 1.5 })).toThrow(/iterations/);
  expect(() => sinkhorn(cost, { groups: 4 })).toThrow(/6 experts do not divide into 4 groups/);
  expect(() => sinkhorn(cost, { mask: tf.ones([5]) })).toThrow(/expected shape \[4\], got \[5\]/);
  expect(() => sinkhorn(cost, { columnMass: tf.zeros([6]) })).toThrow(/every expert of a group is closed/);
  expect(() => sinkhorn(cost, { columnMass: tf.tensor1d([1, 1, -1, 1, 1, 1]) })).toThrow(
    /columnMass of expert 2 is -1/,
  );
});

it('a failed check leaves no tensors behind', async () => {
  const cost = tf.tensor2d([Number.NaN, 1], [1, 2]);
  await noLeaks(() => {
    expect(() => sinkhorn(cost)).toThrow();
  });
});

it('needs no memory per step beyond its g vector', async () => {
  const [N, E] = [128, 8];
  const cost = random('cost', [N, E]);
  const cotangent = random('cotangent', [N, E]);
  const peak = async (iterations: number) => {
    const { peakBytes } = await tf.profile(() => {
      gradient(cost, cotangent, { iterations }).dispose();
      return tf.scalar(0);
    });
    return peakBytes;
  };
  const perStep = ((await peak(44)) - (await peak(4))) / 40;
  expect(perStep).toBeLessThanOrEqual(3 * E * 4); // a plan has N·E·4
});
