import { DecoderModel } from '@spectra/transformer';
import type { TrainerConfig } from '../config/schema.ts';

/** A fresh model with the seed's weights: equal names and shapes get equal numbers, whatever the router. */
export function buildModel(config: TrainerConfig): DecoderModel {
  return new DecoderModel(config.model, { seed: config.seed });
}
