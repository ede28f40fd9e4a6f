import { expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { optimizerGroups, scheduleOf } from './optimizer.ts';

const optim = (...overrides: string[]) =>
  parseConfig('{name: x, model: {vocab_size: 8}}', ['optim.lr=0.5', ...overrides]).optim;

it.each([
  ['optim.schedule={kind: constant}', { kind: 'constant', peak: 0.5, warmupSteps: 0 }],
  [
    'optim.schedule={warmup_steps: 3}',
    { kind: 'cosine', peak: 0.5, warmupSteps: 3, steps: 50, finalRatio: 0.1 },
  ],
  [
    'optim.schedule={kind: wsd, final_ratio: 0}',
    { kind: 'wsd', peak: 0.5, warmupSteps: 30, steps: 50, decaySteps: 10, finalRatio: 0 },
  ],
])('%s', (override, expected) => expect(scheduleOf(optim(override), 50)).toEqual(expected));

it('groups keep their order and leave out what is not said', () => {
  const groups = optim(
    'optim.groups=[{role: router, lr_ratio: 0}, {match: "norm$", weight_decay: 0}]',
  ).groups;
  expect(optimizerGroups({ ...optim(), groups })).toEqual([
    { role: 'router', learningRateRatio: 0 },
    { match: /norm$/, learningRateRatio: 1, weightDecay: 0 },
  ]);
});
