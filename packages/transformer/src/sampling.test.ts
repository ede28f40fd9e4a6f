import { Rng } from '@spectra/tensor';
import { describe, expect, it } from 'vitest';
import { checkSampling, sampleToken } from './sampling.ts';

const LOGITS = Float32Array.from([0.1, 0.4, 0.2, 0.3].map(p => Math.log(p)));

function frequencies(options: Parameters<typeof sampleToken>[1], draws = 20_000): number[] {
  const rng = new Rng(1);
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < draws; i++) counts[sampleToken(LOGITS, options, rng).token]!++;
  return counts.map(count => count / draws);
}

function expectNear(found: readonly number[], wanted: readonly number[]): void {
  found.forEach((value, i) => {
    expect(Math.abs(value - wanted[i]!), `token ${i}`).toBeLessThan(wanted[i] === 0 ? 1e-12 : 0.012);
  });
}

describe('sampleToken', () => {
  it('is greedy by default, ties to the lowest token', () => {
    expect(sampleToken(LOGITS, {}, new Rng(1))).toEqual({
      token: 1,
      logProbability: expect.closeTo(Math.log(0.4), 6),
    });
    expect(sampleToken(Float32Array.from([1, 5, 5]), {}, new Rng(1)).token).toBe(1);
  });
  it('draws by probability', () => expectNear(frequencies({ temperature: 1 }), [0.1, 0.4, 0.2, 0.3]));
  it('sharpens with a low temperature', () => {
    const squares = [0.01, 0.16, 0.04, 0.09].map(p => p / 0.3);
    expectNear(frequencies({ temperature: 0.5 }), squares);
  });
  it('keeps the k best', () => expectNear(frequencies({ temperature: 1, topK: 2 }), [0, 4 / 7, 0, 3 / 7]));
  it('keeps the fewest that reach p', () => {
    expectNear(frequencies({ temperature: 1, topP: 0.69 }), [0, 4 / 7, 0, 3 / 7]);
    expectNear(frequencies({ temperature: 1, topP: 0.72 }), [0, 4 / 9, 2 / 9, 3 / 9]);
    expectNear(frequencies({ temperature: 1, topP: 0.01 }), [0, 1, 0, 0]);
  });
  it('gives the log probability before any cut', () => {
    const { token, logProbability } = sampleToken(LOGITS, { temperature: 2, topK: 1 }, new Rng(1));
    expect(token).toBe(1);
    expect(logProbability).toBeCloseTo(Math.log(0.4), 6);
  });
  it('names a logit that is not finite', () => {
    expect(() => sampleToken(Float32Array.from([0, Number.NaN]), {}, new Rng(1))).toThrow('token 1 is NaN');
  });
  it.each([{ temperature: -1 }, { topK: 0 }, { topP: 0 }, { topP: 1.1 }])('refuses %o', options => {
    expect(() => checkSampling(options)).toThrow('sampling');
  });
});
