/** The same conversions of a model in memory. The given model is not changed and stays the caller's. */
import {
  bufferSource,
  dequantised,
  type ModelStore,
  openSafetensors,
  safetensorsBytes,
  type WritableSpec,
} from '@spectra/checkpoint';
import {
  DecoderModel,
  describeModel,
  loadModelTensors,
  modelTensorSpecs,
  type RouterConfig,
} from '@spectra/transformer';
import { disposeRouters, newRouters, type RouterStart } from './new-routers.ts';
import type { ConversionOptions } from './options.ts';
import type { UpcyclePlan } from './plan.ts';
import { planConversion } from './plan-conversion.ts';
import { planReplacement, type ReplacementOptions } from './plan-replacement.ts';
import { plannedSpec } from './streams.ts';

/**
 * A mixture of experts, or a larger one, made of a loaded model; the caller disposes both. Needs both models' weights in
 * host memory. Errors: those of `planUpcycle` and `planExpansion`.
 */
export async function upcycle(model: DecoderModel, options: ConversionOptions): Promise<DecoderModel> {
  const seed = options.mode === 'expand' ? 0 : (options.seed ?? 0);
  return converted(model, store => planConversion(store, model.description, options), seed);
}

/**
 * The model with another router, e.g. `spectra()`, fresh or fitted to the choices of the old one; the caller disposes both.
 * Errors: those of `planReplacement` and `distil`.
 */
export async function replaceRouter(
  model: DecoderModel,
  router: RouterConfig,
  options: Omit<ReplacementOptions, 'router'> & RouterStart = {},
): Promise<DecoderModel> {
  const { fitted, ...measured } = await newRouters(model, { ...options, router });
  try {
    const wanted = { ...options, ...measured, router };
    return await converted(model, store => planReplacement(store, model.description, wanted, fitted), 0);
  } finally {
    disposeRouters(fitted);
  }
}

async function converted(
  model: DecoderModel,
  plan: (store: ModelStore) => UpcyclePlan | Promise<UpcyclePlan>,
  seed: number,
): Promise<DecoderModel> {
  const source = await inMemory(modelTensorSpecs(model));
  const { config, tensors } = await plan(source);
  const specs = tensors.map(tensor => plannedSpec(source, tensor, seed));
  const description = describeModel(config, { families: [model.description.family] });
  const result = new DecoderModel(description, { uninitialised: true });
  try {
    await loadModelTensors(result, await inMemory(specs));
  } catch (error) {
    result.dispose();
    throw error;
  }
  return result;
}

async function inMemory(specs: readonly WritableSpec[]): Promise<ModelStore> {
  return dequantised(await openSafetensors(bufferSource(await safetensorsBytes(specs), 'the model')));
}
