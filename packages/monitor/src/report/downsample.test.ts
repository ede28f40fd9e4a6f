import { describe, expect, it } from 'vitest';
import { evenly, largestTriangles } from './downsample.ts';

describe('largestTriangles', () => {
  const x = Array.from({ length: 1000 }, (_, i) => i);

  it('keeps the ends, the order and the number of points asked for', () => {
    const kept = largestTriangles(
      x,
      x.map(i => Math.sin(i / 20)),
      100,
    );
    expect(kept).toHaveLength(100);
    expect([kept[0], kept.at(-1)]).toEqual([0, 999]);
    expect(new Set(kept).size).toBe(100);
    expect(kept).toEqual([...kept].sort((a, b) => a - b));
  });

  it('keeps a lone spike', () => {
    for (const spike of [1, 37, 500, 998]) {
      expect(
        largestTriangles(
          x,
          x.map(i => Number(i === spike)),
          50,
        ),
      ).toContain(spike);
    }
  });

  it('keeps short curves whole', () => {
    expect(largestTriangles([1, 2], [3, 4], 100)).toEqual([0, 1]);
    expect(largestTriangles([], [], 100)).toEqual([]);
    expect(largestTriangles(x.slice(0, 5), x.slice(0, 5), 4)).toHaveLength(4);
  });
});

it('evenly keeps both ends', () => {
  expect(evenly(11, 3)).toEqual([0, 5, 10]);
  expect(evenly(2, 5)).toEqual([0, 1]);
  expect(evenly(0, 5)).toEqual([]);
});
