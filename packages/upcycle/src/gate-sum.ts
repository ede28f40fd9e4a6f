/** How much the routed experts of a model weigh. */
import { type DecoderModel, sweepLayers } from '@spectra/transformer';
import type { Calibration } from './distil.ts';

/** Mean over tokens and layers of the gates' sum, times the layers' ρ. In memory: see `sweepLayers`. */
export async function meanGateSum(model: DecoderModel, calibration: Calibration): Promise<number> {
  let [sum, tokens] = [0, 0];
  for await (const { weights, slots } of sweepLayers(model, calibration)) {
    for (const weight of weights) sum += weight;
    tokens += weights.length / slots;
  }
  return (sum / tokens) * (model.architecture.moe?.scale ?? 1);
}
