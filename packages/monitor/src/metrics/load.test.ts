import { describe, expect, it } from 'vitest';
import { countLoad, loadMetrics, samplingFloor } from './load.ts';

describe('countLoad', () => {
  it('leaves out padding and dropped slots', () => {
    const indices = Int32Array.of(0, 2, 1, -1, 2, 0);
    expect([...countLoad({ indices, slots: 2 }, 3)]).toEqual([2, 1, 2]);
    expect([...countLoad({ indices, slots: 2, mask: [1, 1, 0] }, 3)]).toEqual([1, 1, 1]);
  });

  it('names what is wrong', () => {
    const indices = Int32Array.of(0, 3);
    expect(() => countLoad({ indices, slots: 2 }, 3)).toThrow(/indices\[1\] is 3/);
    expect(() => countLoad({ indices, slots: 3 }, 4)).toThrow(/multiple of 3/);
    expect(() => countLoad({ indices, slots: 1, mask: [1] }, 4)).toThrow(/mask has 1 entries, expected 2/);
    expect(() => countLoad({ indices, slots: 1 }, 0)).toThrow(expect.objectContaining({ code: 'VALUE' }));
  });
});

describe('loadMetrics', () => {
  it('of two experts by hand', () => {
    const metrics = loadMetrics([1, 3], 8);
    expect(metrics).toMatchObject({ mean: 2, cv: 0.5, maxViolation: 0.5, minViolation: 0.5, gini: 0.25 });
    expect(metrics).toMatchObject({ unusedRate: 0, droppedRate: 0.5 });
    expect(metrics.entropy).toBeCloseTo(0.8112781244591328, 14);
    expect(metrics.klToUniform).toBeCloseTo(0.13081203594113697, 14);
  });

  it('of one expert is balanced', () => {
    expect(loadMetrics([7])).toMatchObject({ cv: 0, gini: 0, entropy: 1, klToUniform: 0, unusedRate: 0 });
  });

  it('has no negative dropped rate where a router dispatches more than asked for', () => {
    expect(loadMetrics([5, 5], 8).droppedRate).toBe(0);
  });

  it('does not exist without slots', () => {
    expect(() => loadMetrics([0, 0])).toThrow(/no slot/);
    expect(() => loadMetrics([])).toThrow(/empty/);
    expect(() => loadMetrics([1, -1])).toThrow(/negative/);
    expect(() => loadMetrics([1, Number.NaN])).toThrow(/NaN/);
  });
});

describe('samplingFloor', () => {
  it('is what independent uniform choices of k of E experts show', () => {
    expect(samplingFloor(32, 4, 2048)).toBeCloseTo(Math.sqrt(7 / 2048), 15);
    expect(samplingFloor(4, 4, 10)).toBe(0);
    expect(() => samplingFloor(4, 5, 10)).toThrow(/1 … 4/);
  });
});
