import { expect, it } from 'vitest';
import { generator, healthyModel, mutate, outcome } from './fuzz-support.ts';

const INPUTS = 200_000;

it(`${INPUTS} mutated models are read consistently or refused with a code, in bounded memory`, async () => {
  const healthy = await healthyModel();
  let largest = 0;
  for (let seed = 10_000; seed < 10_000 + INPUTS; seed++) {
    try {
      await outcome(mutate(healthy, generator(seed)));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    if (seed % 500 === 0) largest = Math.max(largest, process.memoryUsage.rss());
  }
  expect(largest).toBeLessThan(1e9);
});
