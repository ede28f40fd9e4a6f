import { expectClose } from '@spectra/testing';
import { describe, expect, it } from 'vitest';
import { ropeScalingSchema } from './rope-scaling.ts';
import { amplitude, inverseFrequencies, yarnSharpness } from './rotary-frequencies.ts';

const yarn = (more: object = {}) =>
  ropeScalingSchema.parse({
    rope_type: 'yarn',
    factor: 4,
    original_max_position_embeddings: 64,
    ...more,
  });
const longrope = (more: object = {}) =>
  ropeScalingSchema.parse({
    rope_type: 'longrope',
    short_factor: [1, 2],
    long_factor: [4, 5],
    original_max_position_embeddings: 20,
    factor: 4,
    ...more,
  });

describe('inverseFrequencies', () => {
  it('falls from 1 by equal ratios', async () => {
    await expectClose(inverseFrequencies(8, 10_000), [1, 0.1, 0.01, 0.001]);
  });
  it('is slowed as a whole by linear scaling', async () => {
    await expectClose(inverseFrequencies(4, 100, { rope_type: 'linear', factor: 4 }), [0.25, 0.025]);
  });
  it('is slowed below a band by llama3 scaling', async () => {
    const scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 100,
    } as const;
    // f = 5e5^(−i/8); turns 100·f/2π = 15.9, 3.09, 0.598 …: kept, between (t = 0.695), divided
    const f1 = 5e5 ** (-1 / 8);
    const t = ((100 * f1) / (2 * Math.PI) - 1) / 3;
    const f2 = 5e5 ** (-2 / 8);
    const found = inverseFrequencies(16, 5e5, scaling);
    await expectClose(found.slice(0, 3), [1, (1 - t) * (f1 / 8) + t * f1, f2 / 8]);
    expect(t).toBeCloseTo(0.6953, 3);
  });
  it('is slowed over a band of channels by YaRN, whole ones unless told otherwise', async () => {
    // c(32) = −0.998, c(1) = 2.016 for d = 8, θ = 10⁴: the band is 0 … 3, or 0 … 2.016
    const c = (turns: number): number => (8 * Math.log(64 / (2 * Math.PI * turns))) / (2 * Math.log(10_000));
    const [plain, slow] = [
      [1, 0.1, 0.01, 0.001],
      [0.25, 0.025, 0.0025, 0.00025],
    ] as const;
    const mixed = (high: number): number[] =>
      plain.map((f, i) => {
        const t = Math.min(1, i / high);
        return f * (1 - t) + slow[i]! * t;
      });
    await expectClose(inverseFrequencies(8, 10_000, yarn()), mixed(Math.ceil(c(1))));
    expect(Math.ceil(c(1))).toBe(2);
    await expectClose(inverseFrequencies(8, 10_000, yarn({ truncate: false })), mixed(c(1)));
    // equal ends: a step
    const step = inverseFrequencies(8, 10_000, yarn({ beta_fast: 1, beta_slow: 1 }));
    expect(step.every(f => f > 0)).toBe(true);
  });
  it('is divided one by one by LongRoPE', async () => {
    await expectClose(inverseFrequencies(4, 100, longrope()), [1, 0.05]);
    await expectClose(inverseFrequencies(4, 100, longrope(), 'long'), [0.25, 0.02]);
    expect(() => inverseFrequencies(8, 100, longrope())).toThrow('2 short factors for 4');
  });
});

describe('amplitude', () => {
  it('is 1 where a method has none', () => {
    expect(amplitude()).toBe(1);
    expect(amplitude({ rope_type: 'linear', factor: 2 })).toBe(1);
  });
  it('of YaRN is what the file says, the ratio of two scales, or y(1)', () => {
    expect(amplitude(yarn())).toBeCloseTo(0.1 * Math.log(4) + 1, 12);
    expect(amplitude(yarn({ attention_factor: 1.25 }))).toBe(1.25);
    expect(amplitude(yarn({ mscale: 1, mscale_all_dim: 1 }))).toBe(1);
    const ratio = yarnSharpness(4, 1) / yarnSharpness(4, 0.8);
    expect(amplitude(yarn({ mscale: 1, mscale_all_dim: 0.8 }))).toBe(ratio);
    expect(amplitude(yarn({ factor: 1 }))).toBe(1);
  });
  it('of LongRoPE grows with the context', () => {
    expect(amplitude(longrope())).toBeCloseTo(Math.sqrt(1 + Math.log(4) / Math.log(20)), 12);
    expect(amplitude(longrope({ factor: 1 }))).toBe(1);
  });
});
