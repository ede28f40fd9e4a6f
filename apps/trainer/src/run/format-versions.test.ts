import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { latestCheckpoint } from '@spectra/checkpoint/node';
import { setBackend } from '@spectra/tensor';
import { workspaceRoot } from '@spectra/testing';
import { loadModel } from '@spectra/transformer/node';
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../config/load.ts';
import { openTrainingData } from '../data/training-data.ts';
import { Trainer } from '../training/trainer.ts';
import { checkSameConfig, readTrainingState, restoreCheckpoint } from './checkpoint.ts';
import { runFolderAt } from './run-folder.ts';

/** A run of every version of the formats of configurations and checkpoints. */
const ROOT = join(workspaceRoot(), 'fixtures', 'formats');

describe.each(readdirSync(ROOT))('%s', name => {
  it('is read, resumed and trained on as by the program that wrote it', async () => {
    await setBackend('wasm');
    const run = runFolderAt(join(ROOT, name));
    const config = loadConfig(run.config);
    const { checkpoint, skipped } = await latestCheckpoint(run.checkpoints);
    expect(skipped).toEqual([]);
    const state = await readTrainingState(checkpoint);
    await checkSameConfig(config, checkpoint, state);
    const data = await openTrainingData(config, state.cursor);
    const trainer = await Trainer.create(config, data.stream);
    await restoreCheckpoint(trainer, checkpoint, state);
    const expected = JSON.parse(readFileSync(join(run.path, 'expected.json'), 'utf8')) as {
      step: number;
      loss: number;
      tokens_seen: number;
    };
    expect(trainer.tokensSeen).toBe(expected.tokens_seen);
    const { step, loss } = await trainer.trainStep();
    expect(step).toBe(expected.step);
    expect(Math.abs(loss - expected.loss)).toBeLessThan(2e-3);
    await trainer.dispose();
    const model = await loadModel(checkpoint.folder);
    model.dispose();
  });
});

it('a configuration of another version is refused by name', () => {
  expect(() => parseConfig('version: 2\nname: x\nmodel: { vocab_size: 8 }')).toThrow(
    'version: this program reads version 1 of configurations, not 2',
  );
});

it('a training state of another format is refused by number', async () => {
  const checkpoint = { folder: 'step-1', json: async () => ({ format: 2 }) } as unknown as Parameters<
    typeof readTrainingState
  >[0];
  await expect(readTrainingState(checkpoint)).rejects.toMatchObject({
    code: 'CHECKPOINT_MISMATCH',
    message: expect.stringContaining('its format is 2, this version reads 1'),
  });
});
