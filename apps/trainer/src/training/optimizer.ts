/** From the configuration's words to the optimizer's. */
import type { ParameterGroup, Schedule } from '@spectra/tensor';
import type { TrainerConfig } from '../config/schema.ts';

type Optim = TrainerConfig['optim'];

export function scheduleOf(optim: Optim, steps: number): Schedule {
  const { schedule, lr } = optim;
  switch (schedule.kind) {
    case 'constant':
      return { kind: 'constant', peak: lr, warmupSteps: schedule.warmup_steps };
    case 'cosine':
      return {
        kind: 'cosine',
        peak: lr,
        warmupSteps: schedule.warmup_steps,
        steps,
        finalRatio: schedule.final_ratio,
      };
    case 'wsd':
      return {
        kind: 'wsd',
        peak: lr,
        warmupSteps: schedule.warmup_steps,
        steps,
        decaySteps: Math.round(steps * schedule.decay_ratio),
        finalRatio: schedule.final_ratio,
      };
  }
}

export function optimizerGroups(optim: Pick<Optim, 'groups'>): ParameterGroup[] {
  return optim.groups.map(group => ({
    ...(group.match === undefined ? {} : { match: new RegExp(group.match) }),
    ...(group.role === undefined ? {} : { role: group.role }),
    learningRateRatio: group.lr_ratio,
    ...(group.weight_decay === undefined ? {} : { weightDecay: group.weight_decay }),
  }));
}
