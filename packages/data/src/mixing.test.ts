import { expect, it } from 'vitest';
import { mixingProbabilities } from './mixing.ts';

const sizes = [
  { domain: 'a', bytes: 900 },
  { domain: 'b', bytes: 100 },
];

it('follows sizes, more evenly at a higher temperature', () => {
  expect(mixingProbabilities(sizes)).toEqual([0.9, 0.1]);
  expect(mixingProbabilities(sizes, 2)[1]).toBeCloseTo(0.25, 12);
  expect(mixingProbabilities(sizes, 1e9)[1]).toBeCloseTo(0.5, 6);
});

it('takes weights instead, of all domains or of none', () => {
  expect(mixingProbabilities(sizes.map((size, i) => ({ ...size, weight: 1 + 2 * i })))).toEqual([0.25, 0.75]);
  expect(() => mixingProbabilities([{ ...sizes[0]!, weight: 1 }, sizes[1]!])).toThrow(
    'Give a weight for b too',
  );
  expect(() => mixingProbabilities(sizes, 0)).toThrow('temperature');
});
