import { expectClose, testBackend } from '@spectra/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { RotaryTable } from './rotary.ts';

beforeAll(testBackend);

describe('RotaryTable', () => {
  it('gives the same for a range and for positions, and grows', async () => {
    const table = new RotaryTable({ width: 4, theta: 100 });
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

  it('takes other frequencies for the whole batch as soon as one position asks for them', async () => {
    const table = new RotaryTable({
      width: 2,
      theta: 100,
      scaling: {
        rope_type: 'longrope',
        short_factor: [1],
        long_factor: [2],
        original_max_position_embeddings: 4,
        factor: 1,
      },
    });
    const [short, long] = [table.range(1, 3), table.range(1, 4)];
    await expectClose(short.cos, [1, 2, 3].map(Math.cos), { tolerance: 1e-6 });
    await expectClose(long.cos, [0.5, 1, 1.5, 2].map(Math.cos), { tolerance: 1e-6 });
    for (const [last, slower] of [
      [3, 1],
      [4, 2],
    ] as const) {
      const positions = tf.tensor2d(
        [
          [0, 1],
          [2, last],
        ],
        undefined,
        'int32',
      );
      const at = table.at(positions, 5);
      await expectClose(
        at.sin,
        [0, 1, 2, last].map(p => Math.sin(p / slower)),
        { tolerance: 1e-6 },
      );
      tf.dispose([positions, at.cos, at.sin]);
    }
    table.dispose();
    tf.dispose([short.cos, short.sin, long.cos, long.sin]);
  });
});
