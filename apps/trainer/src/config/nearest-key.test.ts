import { describe, expect, it } from 'vitest';
import { editDistance, nearestKey } from './nearest-key.ts';

describe('nearestKey', () => {
  it('finds a mistyped key and leaves a strange one alone', () => {
    expect(nearestKey('stesp', ['steps', 'seed', 'workers'])).toBe('steps');
    expect(nearestKey('microbatches', ['micro_batches', 'workers'])).toBe('micro_batches');
    expect(nearestKey('colour', ['steps', 'workers'])).toBeUndefined();
  });

  it.each([
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['flaw', 'lawn', 2],
    ['same', 'same', 0],
  ])('editDistance(%s, %s) is %i', (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
});
