import { expect, it } from 'vitest';
import { exponent, median, spread } from './statistics.ts';

it('the exponent of a power law is found, whatever its factor', () => {
  const sizes = [1, 2, 4, 8, 16];
  const times = sizes.map(n => 0.37 * n ** 1.5);
  expect(exponent(sizes, times)).toBeCloseTo(1.5, 12);
});

it('the median and the spread do not depend on the order', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(spread([4, 8, 2])).toBe(4);
});
