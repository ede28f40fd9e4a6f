import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { inverseFrequencies, RotaryTable } from './rotary.ts';

beforeAll(testBackend);

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
});

describe('RotaryTable', () => {
  it('gives the same for a range and for positions, and grows', async () => {
    const table = new RotaryTable(4, 100);
    const range = table.range(98, 3);
    await expectClose(
      range.cos,
      [98, 99, 100].flatMap(p => [Math.cos(p), Math.cos(p / 10)]),
      { tolerance: 1e-6 },
    );
    await expectClose(
      range.sin,
      [98, 99, 100].flatMap(p => [Math.sin(p), Math.sin(p / 10)]),
      { tolerance: 1e-6 },
    );
    const positions = tf.tensor2d(
      [
        [0, 99],
        [98, 100],
      ],
      undefined,
      'int32',
    );
    const at = table.at(positions, 101);
    expect(at.cos.shape).toEqual([2, 2, 2]);
    await expectClose(
      at.cos,
      [0, 99, 98, 100].flatMap(p => [Math.cos(p), Math.cos(p / 10)]),
      { tolerance: 1e-6 },
    );
    table.dispose();
    tf.dispose([range.cos, range.sin, positions, at.cos, at.sin]);
  });
});
