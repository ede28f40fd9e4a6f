/** Whether signals are heard while nothing waits for a file or a thread: a tensor of wasm is read back at once. */

import { setBackend } from '@spectra/tensor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openTrainingData } from '../data/training-data.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { BYTES, ShortRuns } from '../testing/short-run.ts';
import { turnsDuring } from '../testing/turns.ts';
import { Trainer } from './trainer.ts';

const runs = new ShortRuns();
beforeAll(() => setBackend('wasm'));
afterAll(() => runs.remove());

it('settling and evaluation let others have a turn at every batch', async () => {
  const config = runs.config(
    'turns',
    '',
    'model={vocab_size: 256, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, moe: {experts: 4}}',
    BYTES,
    'train.steps=1',
    'train.settle_steps=100',
    'train.micro_batches=1',
    'train.eval_tokens=2048',
    'data.length=64',
  );
  const data = await openTrainingData(config);
  const trainer = await Trainer.create(config, data.stream);
  await trainer.trainStep();
  await trainer.settleStep();
  const steps = 8;
  const settling = await turnsDuring(async () => {
    for (let i = 0; i < steps; i++) await trainer.settleStep();
  });
  expect(settling).toBeGreaterThanOrEqual(steps);
  const { domains, heldOut } = data;
  expect(heldOut.length).toBeGreaterThan(4);
  const evaluating = await turnsDuring(() =>
    evaluate(trainer.model, heldOut, { domains, trainingBalance: 'batch' }),
  );
  expect(evaluating).toBeGreaterThanOrEqual(heldOut.length);
  await trainer.dispose();
});
