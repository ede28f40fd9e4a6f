import { afterAll, describe, expect, it } from 'vitest';
import { BYTES, fileOf, ShortRuns } from '../testing/short-run.ts';
import { drawNoise } from './embedding-noise.ts';

// two documents of 6 and 2 tokens; one of 5 and padding; the second row goes on with the first one's number
const tokens = {
  batch: 2,
  length: 8,
  documents: Int32Array.of(0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1),
};
const HIDDEN = 400;
const noise = { alpha: 5, seed: 3, step: 7, microBatch: 1 };

describe('drawNoise', () => {
  it('is uniform, as wide as the paper says for each document, and 0 at padding', () => {
    const values = drawNoise(tokens, HIDDEN, noise);
    for (const [begin, end] of [
      [0, 6],
      [6, 8],
      [8, 13],
    ] as const) {
      const part = [...values.subarray(begin * HIDDEN, end * HIDDEN)];
      const bound = 5 / Math.sqrt((end - begin) * HIDDEN);
      const largest = Math.max(...part.map(Math.abs));
      expect(largest).toBeLessThanOrEqual(bound * (1 + 1e-6));
      expect(largest).toBeGreaterThan(0.98 * bound);
      expect(Math.abs(part.reduce((a, b) => a + b, 0) / part.length)).toBeLessThan(0.1 * bound);
      const square = part.reduce((sum, value) => sum + value ** 2, 0) / part.length;
      expect(square / (bound ** 2 / 3)).toBeGreaterThan(0.9);
      expect(square / (bound ** 2 / 3)).toBeLessThan(1.1);
    }
    expect([...values.subarray(13 * HIDDEN)].every(value => value === 0)).toBe(true);
  });

  it('follows from seed, step and micro-batch alone', () => {
    const draw = (change: object) => drawNoise(tokens, HIDDEN, { ...noise, ...change });
    expect(draw({})).toEqual(draw({}));
    for (const change of [{ seed: 4 }, { step: 8 }, { microBatch: 0 }])
      expect(draw(change)).not.toEqual(draw({}));
    expect(draw({ alpha: 10 })).toEqual(draw({}).map(value => 2 * value));
  });
});

describe('a run with noise', () => {
  const runs = new ShortRuns();
  afterAll(() => runs.remove());
  const from = runs.model('llama');
  const config = (name: string, ...more: string[]) =>
    runs.config(name, from, BYTES, 'train.steps=4', ...more);

  it('is the same resumed, with threads and with recomputed layers', async () => {
    const noisy = (name: string, ...more: string[]) => config(name, 'train.embedding_noise=5', ...more);
    const straight = await runs.train(noisy('straight'));
    await runs.train(noisy('broken', 'train.max_seconds=0.001'));
    const others = [
      await runs.train(noisy('broken'), true),
      await runs.train(noisy('threads', 'train.workers=2')),
      await runs.train(noisy('recomputed', 'model.recompute=true')),
    ];
    for (const { losses, checkpoint } of others) {
      expect(losses).toEqual(straight.losses);
      const [found, wanted] = [checkpoint, straight.checkpoint].map(at => fileOf(at, 'model.safetensors'));
      expect(found!.equals(wanted!)).toBe(true);
    }
    const quiet = await runs.train(config('quiet'));
    expect(quiet.losses).not.toEqual(straight.losses);
  });

  it('is evaluated without', async () => {
    const still = 'optim.lr=1e-30'; // no parameter moves
    const [quiet, noisy] = [
      await runs.train(config('still', still)),
      await runs.train(config('still-noisy', still, 'train.embedding_noise=50')),
    ];
    expect(noisy.losses[0]).not.toBe(quiet.losses[0]);
    expect(noisy.evalLoss).toBe(quiet.evalLoss);
  });
});
