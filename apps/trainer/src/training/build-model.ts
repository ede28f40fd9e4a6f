import { DecoderModel, type ModelDescription } from '@spectra/transformer';
import { freshModel } from '../config/model.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { freezeParameters } from './freeze.ts';

/**
 * A fresh model with the seed's weights: equal names and shapes get equal numbers, whatever the router. Or, given the
 * description of a model that exists, one whose weights are about to be loaded. What the configuration freezes is frozen.
 */
export function buildModel(config: TrainerConfig, existing?: ModelDescription): DecoderModel {
  const model =
    existing === undefined
      ? new DecoderModel(freshModel(config), { seed: config.seed })
      : new DecoderModel(existing, { uninitialised: true });
  try {
    freezeParameters(model.parameters(), config.optim);
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}
