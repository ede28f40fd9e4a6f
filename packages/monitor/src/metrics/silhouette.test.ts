import { describe, expect, it } from 'vitest';
import { Reservoir } from './reservoir.ts';
import { silhouette, silhouetteSamples } from './silhouette.ts';

describe('silhouette', () => {
  it('of two pairs on a line by hand', () => {
    // for the point at 0: a = 1, b = mean(10, 11)
    const samples = silhouetteSamples([0, 1, 10, 11], 1, [0, 0, 3, 3])!;
    expect([...samples]).toEqual([9.5 / 10.5, 8.5 / 9.5, 8.5 / 9.5, 9.5 / 10.5]);
  });

  it('is 0 for a cluster of one and for identical points', () => {
    expect([...silhouetteSamples([0, 0, 5], 1, [0, 0, 1])!]).toEqual([1, 1, 0]);
    expect([...silhouetteSamples([2, 2, 2], 1, [0, 0, 1])!]).toEqual([0, 0, 0]);
  });

  it('does not exist for one cluster, or as many as points', () => {
    expect(silhouette([1, 2, 3], 1, [0, 0, 0])).toBeNull();
    expect(silhouette([1, 2, 3], 1, [0, 1, 2])).toBeNull();
    expect(() => silhouette([1, 2, 3], 2, [0, 1])).toThrow(/expected 4/);
  });
});

describe('Reservoir', () => {
  const fill = (seed: number, n: number, capacity: number) => {
    const reservoir = new Reservoir(capacity, 2, seed);
    for (let i = 0; i < n; i++) reservoir.add([9, i, -i], 1, i);
    return reservoir;
  };

  it('keeps everything up to its capacity, in order', () => {
    const reservoir = fill(1, 100, 100);
    expect([...reservoir.labels]).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...reservoir.points.slice(0, 4)]).toEqual([0, -0, 1, -1]);
  });

  it('is the same for a seed and another for another', () => {
    expect([...fill(5, 1000, 50).labels]).toEqual([...fill(5, 1000, 50).labels]);
    expect([...fill(5, 1000, 50).labels]).not.toEqual([...fill(6, 1000, 50).labels]);
  });

  it('takes each of the stream with equal chance', () => {
    const hits = new Float64Array(200);
    const runs = 2000;
    for (let seed = 0; seed < runs; seed++)
      for (const label of fill(seed, 200, 20).labels) hits[label] = hits[label]! + 1;
    const expected = runs / 10;
    const chiSquare = hits.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 199 degrees of freedom; 0.1 % and 99.9 % quantiles (a sample without replacement has 0.9 of the variance)
    expect(chiSquare).toBeGreaterThan(125);
    expect(chiSquare).toBeLessThan(267);
  });
});
