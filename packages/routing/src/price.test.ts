import { Rng } from '@spectra/tensor';
import { describe, expect, test } from 'vitest';
import { ema, weightedMean } from './averages.ts';
import type { CostBatch } from './price.ts';
import { AssignmentPrice, assignmentLoad, assignmentPriceSteps } from './price.ts';

/** Stationary skewed costs: an expert's own level, equal for all tokens, plus noise. */
function source(seed: number, experts: number, skew: number, noise: number): (tokens: number) => CostBatch {
  const rng = new Rng(seed);
  const level = rng.fillNormal(new Float32Array(experts), 0, skew);
  return tokens => {
    const cost = rng.fillNormal(new Float32Array(tokens * experts), 0, noise);
    for (let i = 0; i < cost.length; i++) cost[i]! += level[i % experts]!;
    return { cost };
  };
}

function cv(load: Float64Array): number {
  const mean = load.reduce((a, b) => a + b, 0) / load.length;
  return Math.sqrt(load.reduce((sum, n) => sum + (n - mean) ** 2, 0) / load.length) / mean;
}

/** F(γ), straight from its definition. */
function objective({ cost }: CostBatch, price: ArrayLike<number>, k: number, groups = 1): number {
  const experts = price.length;
  const width = experts / groups;
  const tokens = cost.length / experts;
  let sum = 0;
  for (let t = 0; t < tokens; t++) {
    for (let g = 0; g < groups; g++) {
      const row = Array.from(
        { length: width },
        (_, i) => price[g * width + i]! - cost[t * experts + g * width + i]!,
      );
      row.sort((a, b) => b - a);
      for (let j = 0; j < k / groups; j++) sum += row[j]!;
    }
  }
  return sum - ((tokens * k) / experts) * Array.from(price).reduce((a, b) => a + b, 0);
}

describe('the assignment price', () => {
  test('brings the averaged price to the sampling floor on stationary skewed costs', () => {
    const [experts, k, tokens, held] = [32, 4, 2048, 8192];
    const draw = source(3, experts, 0.3, 0.15);
    const price = new AssignmentPrice({ experts, k });
    // γ̄ starts at the first γ, whose weight must have faded: 0.95^150 is 5e-4
    for (let i = 0; i < 150; i++) price.commit([draw(tokens)]);
    const floor = Math.sqrt((experts / k - 1) / held);
    const found = { none: 0, gamma: 0, average: 0 };
    const rounds = 8;
    for (let i = 0; i < rounds; i++) {
      const batch = [draw(held)];
      found.none += cv(assignmentLoad(batch, new Float32Array(experts), { k }).load) / rounds;
      found.gamma += cv(assignmentLoad(batch, price.price, { k }).load) / rounds;
      found.average += cv(assignmentLoad(batch, price.average!, { k }).load) / rounds;
      for (let j = 0; j < 3; j++) price.commit([draw(tokens)]);
    }
    expect(found.none).toBeGreaterThan(1.2);
    expect(found.gamma).toBeLessThan(1.6 * floor);
    expect(found.average).toBeLessThan(1.15 * floor);
  });

  test.each([1, 2])('F is convex and its gradient is n − N·k/E, groups %i', groups => {
    const [experts, k, tokens] = [8, 2, 300];
    const batch = source(4, experts, 0.2, 0.3)(tokens);
    const rng = new Rng(5);
    const point = (): Float64Array => Float64Array.from({ length: experts }, () => rng.normal(0, 0.2));
    for (let i = 0; i < 20; i++) {
      const [a, b] = [point(), point()];
      const { load } = assignmentLoad([batch], a, { k, groups });
      const subgradient = Array.from(load, n => n - (tokens * k) / experts);
      const step = Array.from(b, (x, e) => x - a[e]!);
      const linear =
        objective(batch, a, k, groups) + step.reduce((sum, d, e) => sum + d * subgradient[e]!, 0);
      expect(objective(batch, b, k, groups)).toBeGreaterThanOrEqual(linear - 1e-9);
      for (let e = 0; e < experts; e++) {
        const h = 1e-7;
        const moved = (sign: number): Float64Array => a.map((x, j) => (j === e ? x + sign * h : x));
        const slope =
          (objective(batch, moved(1), k, groups) - objective(batch, moved(-1), k, groups)) / (2 * h);
        expect(slope).toBeCloseTo(subgradient[e]!, 3);
      }
    }
  });

  test('has mean 0 in each group, and each group is priced as if it were alone', () => {
    const [experts, k, tokens, groups] = [8, 4, 200, 2];
    const { cost } = source(6, experts, 0.3, 0.2)(tokens);
    const start = new Rng(7).fillNormal(new Float32Array(experts), 0, 0.1);
    const price = assignmentPriceSteps([{ cost }], start, { k, groups });
    for (let g = 0; g < groups; g++) {
      const columns = (x: Float32Array): Float32Array =>
        x.filter((_, i) => Math.floor((i % experts) / 4) === g);
      const alone = assignmentPriceSteps([{ cost: columns(cost) }], columns(start), { k: k / groups });
      expect([...columns(price)]).toEqual([...alone]);
      expect(columns(price).reduce((a, b) => a + b, 0)).toBeCloseTo(0, 6);
    }
  });

  test('is made of all micro-batches together, without their padding', () => {
    const draw = source(8, 6, 0.2, 0.2);
    const [a, b] = [draw(40), draw(60)];
    const whole = Float32Array.of(...a.cost, ...b.cost);
    const start = new Float32Array(6);
    const expected = assignmentPriceSteps([{ cost: whole }], start, { k: 2 });
    expect(assignmentPriceSteps([a, b], start, { k: 2 })).toEqual(expected);
    const padded = Float32Array.of(...a.cost, ...new Array<number>(12).fill(Number.NaN), ...b.cost);
    const mask = [...new Array<number>(40).fill(1), 0, 0, ...new Array<number>(60).fill(1)];
    expect(assignmentPriceSteps([{ cost: padded, mask }], start, { k: 2 })).toEqual(expected);
    expect(start).toEqual(new Float32Array(6));
  });

  test('a step of fewer than 4·E/k tokens leaves it as it is', () => {
    const draw = source(9, 8, 0.3, 0.2);
    const price = new AssignmentPrice({ experts: 8, k: 2 });
    price.commit([draw(10), draw(5)]);
    expect(price.price).toEqual(new Float32Array(8));
    expect(price.average).toBeUndefined();
    price.commit([draw(10), draw(6)]);
    expect(price.price).not.toEqual(new Float32Array(8));
    expect(price.average).toEqual(price.price);
  });

  test('bad sizes are errors', () => {
    const cost = new Float32Array(10);
    expect(() => assignmentPriceSteps([{ cost }], [0, 0, 0], { k: 1 })).toThrow('10 costs for 3 experts');
    expect(() => assignmentPriceSteps([{ cost }], [0, 0], { k: 3 })).toThrow(
      expect.objectContaining({ code: 'VALUE' }),
    );
  });
});

test('averages: the first value sets the EMA, micro-batches count by their tokens', () => {
  expect([...ema(undefined, [1, 2], 0.99)]).toEqual([1, 2]);
  expect([...ema([1, 2], [3, 6], 0.75)]).toEqual([1.5, 3]);
  expect([
    ...weightedMean(
      [
        [1, 0],
        [4, 3],
      ],
      [1, 2],
    )!,
  ]).toEqual([3, 2]);
  expect(weightedMean([[1]], [0])).toBeUndefined();
});
