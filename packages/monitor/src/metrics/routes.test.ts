import { describe, expect, it } from 'vitest';
import { checkpointConsistency, ruleAgreement } from './consistency.ts';
import { countDomains, domainMetrics } from './domain.ts';
import { kendallTau } from './kendall.ts';
import { documentIds, sequentialOverlap } from './sequential.ts';
import { confidence, routingEntropy } from './sharpness.ts';

describe('routing entropy and confidence', () => {
  it('leave out padding and scale rows to sum 1', () => {
    const P = [2, 2, 1, 0, 9, 9];
    expect(routingEntropy(P, 2, { mask: [1, 1, 0] })).toBeCloseTo(0.5, 14);
    expect(confidence([0.5, 0.5, 1, 0], 2, { mask: [1, 0] })).toBe(0.5);
    expect(routingEntropy(P, 2, { mask: [0, 0, 0] })).toBeNull();
  });

  it('are means over groups', () => {
    // two groups of two experts: one undecided, one decided
    expect(routingEntropy([0.5, 0.5, 1, 0], 4, { groups: 2 })).toBeCloseTo(0.5, 14);
    expect(confidence([0.5, 0.5, 1, 0], 4, { groups: 2 })).toBe(0.75);
  });

  it('are 0 and 1 for one expert, and an error where P is not finite', () => {
    expect(routingEntropy([1, 1], 1)).toBe(0);
    expect(confidence([1, 1], 1)).toBe(1);
    expect(() => routingEntropy([Number.NaN, 1], 2)).toThrow(expect.objectContaining({ code: 'NOT_FINITE' }));
    expect(() => routingEntropy([1, 1, 1], 2)).toThrow(/rows of 2/);
  });
});

describe('sequentialOverlap', () => {
  const indices = Int32Array.of(0, 1, 1, 2, 1, 2, 3, 0);

  it('compares neighbours of one sequence only', () => {
    expect(sequentialOverlap({ indices, slots: 2 }, 4, { sequenceLength: 4 })).toBeCloseTo(
      (0.5 + 1 + 0) / 3,
      14,
    );
    expect(sequentialOverlap({ indices, slots: 2 }, 4, { sequenceLength: 2 })).toBe(0.25);
    expect(sequentialOverlap({ indices, slots: 2 }, 4, { sequenceLength: 1 })).toBeNull();
  });

  it('of one document only, and of tokens only', () => {
    const documents = documentIds([1, 0, 1, 0], 4);
    expect([...documents]).toEqual([0, 0, 1, 1]);
    expect(sequentialOverlap({ indices, slots: 2 }, 4, { sequenceLength: 4, documents })).toBe(0.25);
    const mask = [0, 1, 1, 0];
    expect(sequentialOverlap({ indices, slots: 2, mask }, 4, { sequenceLength: 4 })).toBe(1);
  });

  it('does not take two dropped slots for a shared expert', () => {
    const dropped = Int32Array.of(0, -1, 1, -1);
    expect(sequentialOverlap({ indices: dropped, slots: 2 }, 2, { sequenceLength: 2 })).toBe(0);
  });

  it('wants whole sequences', () => {
    expect(() => sequentialOverlap({ indices, slots: 2 }, 4, { sequenceLength: 3 })).toThrow(
      /whole sequences/,
    );
  });

  it('starts a document at every sequence, with or without a flag', () => {
    expect([...documentIds([0, 0, 0, 1], 2)]).toEqual([0, 0, 1, 2]);
  });
});

describe('two assignments', () => {
  const a = { indices: Int32Array.of(0, 1, 2, 3), slots: 2, weights: [0.6, 0.4, 0.7, 0.3] };
  const b = { indices: Int32Array.of(1, 0, 2, 1), slots: 2, weights: [0.5, 0.5, 0.9, 0.1] };

  it('consistency', () => {
    expect(checkpointConsistency(a, b, 4)).toEqual({ top1Agreement: 0.5, meanJaccard: (1 + 1 / 3) / 2 });
    expect(() => checkpointConsistency({ ...a, mask: [0, 0] }, b, 4)).toThrow(/no token/);
    expect(() => checkpointConsistency(a, { indices: Int32Array.of(0, 1), slots: 2 }, 4)).toThrow(
      /differ in size/,
    );
  });

  it('agreement, and gate distance where the sets are equal in any order', () => {
    const { agreement, gateDistance } = ruleAgreement(a, b, 4);
    expect(agreement).toBe(0.75);
    expect(gateDistance).toBeCloseTo((Math.abs(0.6 - 0.5) + Math.abs(0.4 - 0.5)) / 2, 14);
    expect(ruleAgreement(a, { ...b, indices: Int32Array.of(3, 2, 0, 1) }, 4)).toEqual({
      agreement: 0,
      gateDistance: null,
    });
  });
});

describe('kendallTau', () => {
  it('is 1, −1 or in between, with ties as τ-b', () => {
    expect(kendallTau([1, 2, 3], [10, 20, 30])).toBe(1);
    expect(kendallTau([1, 2, 3], [3, 2, 1])).toBe(-1);
    // scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])
    expect(kendallTau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0])).toBeCloseTo(-0.4714045207910316, 14);
  });

  it('does not exist where one is constant', () => {
    expect(kendallTau([1, 1], [1, 2])).toBeNull();
    expect(() => kendallTau([1], [1, 2])).toThrow(/expected 1/);
  });
});

describe('domains', () => {
  it('of experts that know the domain', () => {
    const counts = countDomains({ indices: Int32Array.of(0, 1, 0, 1), slots: 1 }, [0, 1, 0, 1], 2, 2);
    const metrics = domainMetrics(counts, 2);
    expect([...metrics.affinity]).toEqual([2, 0, 0, 2]);
    expect([...metrics.purity]).toEqual([1, 1]);
    expect(metrics.mutualInformation).toBeCloseTo(Math.LN2, 14);
    expect(metrics.nmi).toBeCloseTo(1, 14);
  });

  it('gives no number to unused experts, and leaves out unlabelled tokens', () => {
    const counts = countDomains({ indices: Int32Array.of(0, 0, 1), slots: 1 }, [0, 1, -1], 2, 2);
    const { affinity, purity, nmi } = domainMetrics(counts, 2);
    expect([...affinity]).toEqual([1, 1, Number.NaN, Number.NaN]);
    expect([...purity]).toEqual([0.5, Number.NaN]);
    expect(nmi).toBe(0);
  });

  it('refuses a label beyond the domains and the absence of labels', () => {
    expect(() => countDomains({ indices: Int32Array.of(0), slots: 1 }, [2], 2, 1)).toThrow(
      /domains\[0\] is 2/,
    );
    expect(() => domainMetrics(new Float64Array(4), 2)).toThrow(/labelled/);
  });
});
