import { describe, expect, it } from 'vitest';
import { agreement } from './agreement.ts';

const selection = (indices: number[], weights: number[]) => ({
  indices: Int32Array.from(indices),
  weights: Float32Array.from(weights),
  slots: 2,
});

describe('agreement', () => {
  it('compares sets whatever their order, and gates where sets are equal', () => {
    const a = selection([0, 1, 2, 3, -1, -1, 1, 4], [0.75, 0.25, 0.5, 0.5, 0, 0, 1, 0]);
    const b = selection([1, 0, 2, 1, -1, -1, 0, 3], [0.5, 0.5, 0.5, 0.5, 0, 0, 0.5, 0.5]);
    expect(agreement(a, b)).toEqual({ overlap: 0.5, equal: 1 / 3, gateDistance: 0.25, tokens: 3 });
  });

  it('is 1 for a decision and itself, dropped slots included', () => {
    const a = selection([0, 1, 2, 3], [0.75, 0.25, 0.5, 0.5]);
    expect(agreement(a, a)).toEqual({ overlap: 1, equal: 1, gateDistance: 0, tokens: 2 });
  });

  it('refuses decisions about different tokens', () => {
    const a = selection([0, 1], [1, 0]);
    expect(() => agreement(a, selection([0, 1, 0, 1], [1, 0, 1, 0]))).toThrow(/elements/);
    expect(() => agreement(a, { ...a, slots: 1 })).toThrow(/slots/);
  });
});
