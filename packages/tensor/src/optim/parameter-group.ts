/** Which learning rate and decay a parameter gets. */
import type { Parameter, ParameterRole } from '../parameter.ts';

/** Settings for the parameters that have this role and whose name matches; a condition left out holds for all. */
export interface ParameterGroup {
  readonly role?: ParameterRole;
  readonly match?: RegExp;
  /** Multiplies the learning rate; 0 freezes. Default 1. */
  readonly learningRateRatio?: number;
  /** In the place of the optimizer's weight decay, for the parameters that decay. */
  readonly weightDecay?: number;
}

export interface ParameterSettings {
  readonly learningRateRatio: number;
  readonly weightDecay: number;
}

/** The first group that fits. */
export function groupOf(parameter: Parameter, groups: readonly ParameterGroup[]): ParameterGroup | undefined {
  return groups.find(
    ({ role, match }) =>
      (role === undefined || role === parameter.role) &&
      (match === undefined || parameter.name.search(match) >= 0),
  );
}

/** The first group that fits decides; a parameter with `decay: false` never decays. */
export function settingsOf(
  parameter: Parameter,
  groups: readonly ParameterGroup[],
  weightDecay: number,
): ParameterSettings {
  const group = groupOf(parameter, groups);
  return {
    learningRateRatio: group?.learningRateRatio ?? 1,
    weightDecay: parameter.decay ? (group?.weightDecay ?? weightDecay) : 0,
  };
}
