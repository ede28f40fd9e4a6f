import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatDuration } from './format.ts';
import { formatProgress } from './progress.ts';

describe('numbers for people', () => {
  it.each([
    [5, '5 s'],
    [65, '1 min 5 s'],
    [3725, '1 h 2 min'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('%d seconds is %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('scales counts and bytes', () => {
    expect([formatCount(512), formatCount(12_345), formatCount(3_400_000), formatCount(2e9)]).toEqual([
      '512',
      '12.3 k',
      '3.40 M',
      '2.00 G',
    ]);
    expect([formatBytes(14e6), formatBytes(2.5e9)]).toEqual(['14.0 MB', '2.50 GB']);
  });

  it('leaves out what a dense model has not', () => {
    const line = {
      step: 7,
      steps: 300,
      loss: 2.5,
      learningRate: 1e-3,
      gradNorm: 0.5,
      tokensPerSecond: 2000.4,
      secondsLeft: 61,
    };
    expect(formatProgress(line)).toBe(
      'step   7/300  loss 2.500  lr 1.0e-3  grad 0.50  2000 tok/s  eta 1 min 1 s',
    );
    expect(formatProgress({ ...line, loadCv: 0.05, routingEntropy: 0.4 })).toContain(
      'cv 0.050  entropy 0.40',
    );
  });
});
