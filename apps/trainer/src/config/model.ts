/** Which model a run trains: a fresh one of a configuration, or one that exists. */
import { SpectraError } from '@spectra/tensor';
import { type ModelConfig, modelConfigSchema } from '@spectra/transformer';
import { z } from 'zod';

export const pretrainedModelSchema = z.strictObject({
  from: z
    .string()
    .min(1)
    .describe(
      'Folder of a model of any known family, an upcycled one, a run or a checkpoint; or org/name of the Hub.',
    ),
  revision: z.string().min(1).optional().describe('Branch, tag or commit on the Hub; main by default.'),
  recompute: z
    .boolean()
    .optional()
    .describe('Gradient checkpointing, see the key of a fresh model; by default what the model says.'),
});
export type PretrainedModel = z.infer<typeof pretrainedModelSchema>;

export const trainedModelSchema = z
  .union([modelConfigSchema, pretrainedModelSchema])
  .describe('A fresh model, or `from`: one whose weights, configuration and router states are read.');

export function isPretrained(model: ModelConfig | PretrainedModel): model is PretrainedModel {
  return 'from' in model;
}

/** The configuration of a fresh model; `CONFIG_INVALID` where the run starts from a model that exists. */
export function freshModel({ model }: { readonly model: ModelConfig | PretrainedModel }): ModelConfig {
  if (!isPretrained(model)) return model;
  throw new SpectraError('CONFIG_INVALID', {
    message: `this needs a model described by its keys, not one from ${model.from}.`,
    where: 'model.from',
    fix: 'Take model.from out and describe a model by its keys: vocab_size, hidden_size, …',
  });
}
