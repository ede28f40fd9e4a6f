import { describe, expect, it } from 'vitest';
import { centroidOrthogonality } from './centroid.ts';
import { expertDiversity } from './diversity.ts';
import { gramOrthogonality } from './gram.ts';
import { countTypes, expertOverlap, jaccard } from './overlap.ts';

describe('gramOrthogonality', () => {
  it('is 1 in every form for one expert', () => {
    expect(gramOrthogonality([0, 0], 1, 2)).toEqual({ orthogonality: 1, reference: 1, ceiling: 1 });
  });

  it('counts an expert without direction as far from orthonormal', () => {
    const { orthogonality } = gramOrthogonality([1, 0, 0, 1e-7], 2, 2);
    expect(orthogonality).toBeCloseTo(1 - 1 / Math.SQRT2, 12);
  });

  it("reaches Welch's bound for the three vectors at 120°", () => {
    const vectors = [0, 1, 2].flatMap(i => [
      Math.cos((i * 2 * Math.PI) / 3),
      Math.sin((i * 2 * Math.PI) / 3),
    ]);
    const { orthogonality, ceiling } = gramOrthogonality(vectors, 3, 2);
    expect(orthogonality).toBeCloseTo(0.5, 12);
    expect(ceiling).toBeCloseTo(0.5, 12);
  });

  it('refuses what it cannot measure', () => {
    expect(() => gramOrthogonality([1, 2, 3], 2, 2)).toThrow(/expected 2·2/);
    expect(() => gramOrthogonality([1, Number.NaN, 0, 1], 2, 2)).toThrow(/not finite/);
  });
});

describe('centroidOrthogonality', () => {
  const hidden = { data: Float32Array.of(1, 0, -1, 0, 0, 1, 0, -1), width: 2 };

  it('is 1 − 1/(U−1) for experts spread evenly around the mean', () => {
    const angles = [0, 1, 2].map(i => (i * 2 * Math.PI) / 3);
    const data = Float64Array.from(angles.flatMap(a => [5 + Math.cos(a), 7 + Math.sin(a)]));
    const indices = Int32Array.of(0, 1, 2);
    expect(centroidOrthogonality({ indices, slots: 1 }, { data, width: 2 }, 3)).toBeCloseTo(0.5, 12);
    // a fourth expert that serves nothing changes nothing
    expect(centroidOrthogonality({ indices, slots: 1 }, { data, width: 2 }, 4)).toBeCloseTo(0.5, 12);
  });

  it('is 0 for two experts, whose offsets are opposite', () => {
    const indices = Int32Array.of(0, 1, 0, 1);
    expect(centroidOrthogonality({ indices, slots: 1 }, hidden, 2)).toBeCloseTo(0, 12);
  });

  it('reads no padding, and does not exist for one used expert of several', () => {
    const indices = Int32Array.of(0, 0, 0, 1);
    expect(centroidOrthogonality({ indices, slots: 1, mask: [1, 1, 1, 0] }, hidden, 2)).toBeNull();
    expect(centroidOrthogonality({ indices: new Int32Array(4), slots: 1 }, hidden, 1)).toBe(1);
  });
});

describe('expertDiversity', () => {
  it('is 0 for experts that always come together, 1 for independent ones', () => {
    const together = Int32Array.of(0, 1, 0, 1, -1, -1, -1, -1);
    expect(expertDiversity({ indices: together, slots: 2 }, 3)).toBeCloseTo(0, 12);
    const independent = Int32Array.of(0, 1, 0, -1, 1, -1, -1, -1);
    expect(expertDiversity({ indices: independent, slots: 2 }, 2)).toBeCloseTo(1, 12);
  });

  it('takes experts that serve every token for the same', () => {
    expect(expertDiversity({ indices: Int32Array.of(0, 1, 1, 0), slots: 2 }, 2)).toBe(0);
  });

  it('does not exist for fewer than two used experts', () => {
    expect(expertDiversity({ indices: Int32Array.of(2, 2), slots: 1 }, 4)).toBeNull();
  });
});

describe('expert overlap', () => {
  it('is the mean Jaccard of token types, 0 for empty sets', () => {
    expect(jaccard(new Set(), new Set())).toBe(0);
    expect(jaccard(new Set([1, 2]), new Set([2, 3, 4]))).toBe(0.25);
    const counts = countTypes({ indices: Int32Array.of(0, 1, 0, 1), slots: 1 }, [5, 5, 6, 5], 3);
    expect(counts[0]).toEqual(
      new Map([
        [5, 1],
        [6, 1],
      ]),
    );
    expect(counts[1]).toEqual(new Map([[5, 2]]));
    expect(expertOverlap(counts)).toBeCloseTo(0.5 / 3, 15);
    expect(expertOverlap([new Map()])).toBeNull();
  });
});
