/** The width at which an arm costs what another does. */
import { freshModel, type TrainerConfig } from '@spectra/trainer';
import { type ModelCost, modelCost } from './cost.ts';

/**
 * `config` with the inner width of its experts (of its dense networks, where there are none) such that `quantity` is
 * as near as can be to that of `target`.
 */
export function matchWidth(
  config: TrainerConfig,
  target: TrainerConfig,
  quantity: 'parameters' | 'active_parameters' | 'flops',
): TrainerConfig {
  const wanted = modelCost(freshModel(target), target.data.length)[quantity];
  const cost = (width: number): number => costAt(config, width)[quantity];
  // linear in the width
  const slope = cost(2) - cost(1);
  const width = Math.max(1, Math.round(1 + (wanted - cost(1)) / slope));
  return withWidth(config, width);
}

function costAt(config: TrainerConfig, width: number): ModelCost {
  return modelCost(freshModel(withWidth(config, width)), config.data.length);
}

function withWidth(config: TrainerConfig, width: number): TrainerConfig {
  const model = freshModel(config);
  return {
    ...config,
    model:
      model.moe === undefined
        ? { ...model, intermediate_size: width }
        : { ...model, moe: { ...model.moe, intermediate_size: width } },
  };
}
