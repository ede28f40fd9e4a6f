import type { Checkpoint } from '@spectra/checkpoint/node';
import { describe, expect, it } from 'vitest';
import { formatConfig, parseConfig } from '../config/load.ts';
import { checkSameConfig, configHash, milestoneSteps, type TrainingState } from './checkpoint.ts';

const config = (...overrides: string[]) =>
  parseConfig('{name: x, model: {vocab_size: 8, moe: {}}}', overrides);
const hash = (...overrides: string[]) => configHash(config(...overrides));

describe('configHash', () => {
  it.each([
    'name=y',
    'backend=cpu',
    'train.workers=4',
    'train.eval_every=7',
    'train.max_seconds=9',
    'sample.tokens=5',
    'bounds.load_cv=1',
  ])('is the same with %s', override => expect(hash(override)).toBe(hash()));
  it.each([
    'seed=1',
    'model.moe.k=1',
    'data.batch=2',
    'optim.lr=1',
    'train.steps=9',
    'train.micro_batches=3',
    'train.balance=none',
    'train.embedding_noise=5',
  ])('is another with %s', override => expect(hash(override)).not.toBe(hash()));
});

it('checkSameConfig names the keys that differ', async () => {
  const saved = config('train.steps=9', 'optim.groups=[{role: router}]');
  const checkpoint = {
    folder: 'step-3',
    bytes: async () => new TextEncoder().encode(formatConfig(saved)),
  } as unknown as Checkpoint;
  const state = { config_hash: configHash(saved) } as TrainingState;
  await checkSameConfig(
    config('train.steps=9', 'optim.groups=[{role: router}]', 'name=other'),
    checkpoint,
    state,
  );
  await expect(
    checkSameConfig(config('model.moe.k=1', 'model.sliding_window=4'), checkpoint, state),
  ).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
    where: 'step-3',
    message: expect.stringMatching(
      /: model\.moe\.k was 2, is 1; model\.sliding_window was unset, is 4; optim\.groups was \[.*\], is \[\]; train\.steps was 9, is 300\. /,
    ),
  });
});

it('milestones are whole steps, the first at least one, and change no number', () => {
  const { train } = config('train.steps=30', 'train.milestones=[0.01, 0.1, 0.5, 1]');
  expect([...milestoneSteps(train)]).toEqual([1, 3, 15, 30]);
  expect(hash('train.milestones=[0.5]')).toBe(hash());
});
