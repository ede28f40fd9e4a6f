import { expect, it } from 'vitest';
import { generator, healthyModel, mutate, outcome } from './fuzz-support.ts';

it('a model as it was written is read', async () => {
  expect(await outcome(await healthyModel())).toBe('read');
});

it('3,000 mutated models are read consistently or refused with a code', async () => {
  const healthy = await healthyModel();
  const counts: Record<string, number> = {};
  for (let seed = 0; seed < 3000; seed++) {
    const result = await outcome(mutate(healthy, generator(seed)));
    counts[result] = (counts[result] ?? 0) + 1;
  }
  // the mutations reach all that can be wrong, and not everything is refused
  for (const code of ['read', 'CHECKPOINT_BROKEN', 'CHECKPOINT_MISMATCH', 'CONFIG_INVALID', 'NOT_FINITE']) {
    expect(counts[code] ?? 0, `${code} of ${JSON.stringify(counts)}`).toBeGreaterThan(0);
  }
});
