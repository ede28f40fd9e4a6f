import { expect, it } from 'vitest';
import { unigramCrossEntropy, unigramEntropy } from './entropy.ts';

it('unigramEntropy is in nats', () => {
  expect(unigramEntropy([1, 1, 1, 1, 0])).toBeCloseTo(Math.log(4), 12);
  expect(unigramEntropy([7, 0])).toBe(0);
  expect(unigramEntropy([3, 1])).toBeCloseTo(-(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)), 12);
  expect(() => unigramEntropy([0, 0])).toThrow('nothing was counted');
});

it('unigramCrossEntropy smooths by one and is least for its own text', () => {
  expect(unigramCrossEntropy([2, 0], [1, 1])).toBeCloseTo(Math.log(2), 12);
  expect(unigramCrossEntropy([1, 0], [0, 98])).toBeCloseTo(Math.log(100), 12);
  const counts = [5000, 3000, 2000];
  expect(unigramCrossEntropy(counts, counts) - unigramEntropy(counts)).toBeLessThan(1e-6);
  expect(unigramCrossEntropy(counts, [2000, 3000, 5000])).toBeGreaterThan(unigramEntropy(counts));
});
