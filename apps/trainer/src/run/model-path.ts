/** Which folder holds the weights: a run, a checkpoint or a Hugging Face folder may be named. */
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { latestCheckpoint, openCheckpoint } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { loadConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { type RunFolder, runFolderAt } from './run-folder.ts';

/** A backend's name, or `auto`: the first of those that run here. */
export type BackendChoice = TrainerConfig['backend'];

export interface ModelPath {
  /** Holds config.json and the weights. */
  readonly model: string;
  /** The run it belongs to, if any. */
  readonly run?: { readonly folder: RunFolder; readonly config: TrainerConfig };
}

/** Finds the model and verifies a checkpoint's hashes; `FILE_MISSING`, `CHECKPOINT_MISSING`, `CHECKPOINT_BROKEN`. */
export async function resolveModelPath(path: string): Promise<ModelPath> {
  const run = runFolderAt(path);
  if (existsSync(run.config) && existsSync(run.checkpoints)) {
    const { checkpoint } = await latestCheckpoint(run.checkpoints);
    return { model: checkpoint.folder, run: { folder: run, config: loadConfig(run.config) } };
  }
  const checkpoints = dirname(resolve(path));
  const above = runFolderAt(dirname(checkpoints));
  if (basename(checkpoints) === 'checkpoints' && existsSync(above.config)) {
    await openCheckpoint(path);
    return { model: path, run: { folder: above, config: loadConfig(above.config) } };
  }
  if (!existsSync(join(path, 'config.json'))) {
    throw new SpectraError('FILE_MISSING', {
      message: 'it is neither a run nor a model folder: there is no config.json.',
      where: path,
      fix: 'Name a run (runs/NAME), a checkpoint (runs/NAME/checkpoints/step-N) or a Hugging Face model folder.',
    });
  }
  return { model: path };
}
