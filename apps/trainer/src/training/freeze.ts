/** Which parameters train. */
import { groupOf, type Parameter, SpectraError, settingsOf } from '@spectra/tensor';
import type { TrainerConfig } from '../config/schema.ts';
import { optimizerGroups } from './optimizer.ts';

/**
 * Freezes the parameters whose group has the rate 0: they get no gradient, no moments and no decay. `CONFIG_INVALID`
 * if none is left, and for a pattern that no name fits. (A role that a model lacks is no mistake: one configuration
 * serves dense models and mixtures.)
 */
export function freezeParameters(
  parameters: readonly Parameter[],
  optim: Pick<TrainerConfig['optim'], 'groups'>,
): void {
  const groups = optimizerGroups(optim);
  for (const [index, group] of groups.entries()) {
    if (group.match === undefined || parameters.some(parameter => groupOf(parameter, [group]))) continue;
    throw new SpectraError('CONFIG_INVALID', {
      message: `no parameter${group.role === undefined ? '' : ` of role ${group.role}`} has a name that fits ${group.match}.`,
      where: `optim.groups.${index}`,
      fix: '`spectra-trainer inspect MODEL` lists the names; patterns are searched for in them.',
    });
  }
  for (const parameter of parameters) {
    if (settingsOf(parameter, groups, 0).learningRateRatio === 0) parameter.trainable = false;
  }
  if (parameters.some(({ trainable }) => trainable)) return;
  throw new SpectraError('CONFIG_INVALID', {
    message: `all ${parameters.length} parameters are frozen, so there is nothing to train.`,
    where: 'optim.groups',
    fix: 'Put a group with an lr_ratio above 0 before the one that freezes the rest.',
  });
}

/** The parameters that train, and those that do not, each in the model's order. */
export function partition(parameters: readonly Parameter[]): {
  readonly trained: readonly Parameter[];
  readonly frozen: readonly Parameter[];
} {
  return {
    trained: parameters.filter(({ trainable }) => trainable),
    frozen: parameters.filter(({ trainable }) => !trainable),
  };
}

/** Numbers in the parameters, in all and trained. */
export interface ParameterCount {
  readonly parameters: number;
  readonly trainable: number;
}

export function countParameters(all: readonly Parameter[]): ParameterCount {
  const sum = (list: readonly Parameter[]): number =>
    list.reduce((total, { variable }) => total + variable.size, 0);
  return { parameters: sum(all), trainable: sum(partition(all).trained) };
}
