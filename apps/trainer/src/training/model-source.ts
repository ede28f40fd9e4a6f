/** Where the model of a run comes from: drawn from the seed, read from a folder or the Hub, or resumed. */
import { existsSync } from 'node:fs';
import { type Checkpoint, modelFolder, openModel } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import {
  type DecoderModel,
  describeConfig,
  describeModel,
  type Json,
  loadModelTensors,
  type ModelDescription,
} from '@spectra/transformer';
import { loadModelDescription } from '@spectra/transformer/node';
import { freshModel, isPretrained, type PretrainedModel } from '../config/model.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { resolveModelPath } from '../run/model-path.ts';
import { buildModel } from './build-model.ts';

export interface ModelSource {
  readonly description: ModelDescription;
  /** The folder of a model that exists, with its tokenizer; none for a fresh one. */
  readonly folder?: string;
  /** Whether `makeModel` reads the weights of that folder: a run that goes on restores its own. */
  readonly weights: boolean;
}

/** Of a run that begins. Errors: `CONFIG_INVALID`, `FILE_MISSING`, `NETWORK`, those of `loadModelDescription`. */
export async function openModelSource(config: TrainerConfig): Promise<ModelSource> {
  const { model } = config;
  if (!isPretrained(model)) return freshSource(config);
  const { from, revision } = model;
  const local = existsSync(from);
  if (local && revision !== undefined) {
    throw new SpectraError('CONFIG_INVALID', {
      message: `model.from is the folder ${from}, which has no revisions.`,
      where: 'model.revision',
      fix: 'Remove it, or start where no folder has the name of the model on the Hub.',
    });
  }
  const folder = local
    ? (await resolveModelPath(from)).model
    : await modelFolder(from, revision === undefined ? {} : { revision });
  return pretrainedSource(folder, model, true);
}

/** Of a run that goes on from a checkpoint: that holds all there is, where the model once came from may be gone. */
export async function resumedSource(config: TrainerConfig, { folder }: Checkpoint): Promise<ModelSource> {
  return isPretrained(config.model) ? pretrainedSource(folder, config.model, false) : freshSource(config);
}

/** `CONFIG_INVALID` for a model that exists: that needs `openModelSource`. */
export function freshSource(config: TrainerConfig): ModelSource {
  return { description: describeConfig(freshModel(config)), weights: false };
}

async function pretrainedSource(
  folder: string,
  model: PretrainedModel,
  weights: boolean,
): Promise<ModelSource> {
  return { description: withRecompute(await loadModelDescription(folder), model), folder, weights };
}

/** What the `config.json` of a model that exists says, trained as the configuration says. */
export function describeExisting(file: Json, { model }: TrainerConfig): ModelDescription {
  const description = describeModel(file);
  return isPretrained(model) ? withRecompute(description, model) : description;
}

/** With gradient checkpointing as the configuration says; the file stays as it is. */
function withRecompute(description: ModelDescription, { recompute }: PretrainedModel): ModelDescription {
  if (recompute === undefined) return description;
  return { ...description, architecture: { ...description.architecture, recompute } };
}

/** The model, what the configuration freezes frozen. The caller disposes it. */
export async function makeModel(config: TrainerConfig, source: ModelSource): Promise<DecoderModel> {
  const { folder, weights } = source;
  if (folder === undefined) return buildModel(config);
  const model = buildModel(config, source.description);
  if (!weights) return model;
  try {
    const store = await openModel(folder);
    try {
      await loadModelTensors(model, store);
    } finally {
      await store.close();
    }
    return model;
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** `CONFIG_INVALID` where rows of the data are longer than the positions that the model has learned. */
export function checkRowLength(
  { data }: TrainerConfig,
  { description }: Pick<ModelSource, 'description'>,
): void {
  const { learnedPositions } = description.architecture;
  if (learnedPositions === undefined || data.length <= learnedPositions) return;
  throw new SpectraError('CONFIG_INVALID', {
    message: `rows of ${data.length} tokens need as many learned positions, the model has ${learnedPositions}.`,
    where: 'data.length',
    fix: `Set data.length to at most ${learnedPositions}.`,
  });
}
