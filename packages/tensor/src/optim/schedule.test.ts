import { describe, expect, it } from 'vitest';
import { learningRate, type Schedule } from './schedule.ts';

const rates = (schedule: Schedule, steps: number[]) => steps.map(step => learningRate(schedule, step));

describe('learningRate', () => {
  it('rises linearly and stays', () => {
    const got = rates({ kind: 'constant', peak: 2, warmupSteps: 4 }, [0, 1, 3, 4, 99]);
    expect(got).toEqual([0.5, 1, 2, 2, 2]);
  });

  it('falls along a cosine to its final ratio at the last step', () => {
    const schedule: Schedule = { kind: 'cosine', peak: 1, warmupSteps: 2, steps: 13, finalRatio: 0.1 };
    const got = rates(schedule, [1, 2, 7, 12, 50]);
    expect(got[0]).toBe(1);
    expect(got[1]).toBe(1);
    expect(got[2]).toBeCloseTo(0.55, 12);
    expect(got[3]).toBeCloseTo(0.1, 12);
    expect(got[4]).toBeCloseTo(0.1, 12);
  });

  it('falls linearly', () => {
    const got = rates({ kind: 'linear', peak: 1, warmupSteps: 0, steps: 5, finalRatio: 0 }, [0, 1, 2, 3, 4]);
    expect(got).toEqual([1, 0.75, 0.5, 0.25, 0]);
  });

  it('is stable and then decays', () => {
    const schedule: Schedule = {
      kind: 'wsd',
      peak: 1,
      warmupSteps: 1,
      steps: 11,
      decaySteps: 5,
      finalRatio: 0.5,
    };
    expect(rates(schedule, [0, 3, 6, 8, 10])).toEqual([1, 1, 1, 0.75, 0.5]);
  });

  it('takes runs shorter than their warm-up or of one step', () => {
    expect(rates({ kind: 'cosine', peak: 1, warmupSteps: 4, steps: 2, finalRatio: 0.1 }, [0, 1])).toEqual([
      0.25, 0.5,
    ]);
    expect(rates({ kind: 'linear', peak: 1, warmupSteps: 0, steps: 1, finalRatio: 0.5 }, [0])).toEqual([0.5]);
  });

  it('refuses a step that is none', () => {
    expect(() => learningRate({ kind: 'constant', peak: 1, warmupSteps: 0 }, -1)).toThrow('whole number');
  });
});
