/** Which folder holds the weights: a run, a checkpoint or a Hugging Face folder may be named. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { latestCheckpoint } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { runFolderAt } from './run-folder.ts';

export interface ModelPath {
  /** Holds config.json and the weights. */
  readonly model: string;
  /** The run it belongs to, if any. */
  readonly run?: string;
}

export async function resolveModelPath(path: string): Promise<ModelPath> {
  const run = runFolderAt(path);
  if (existsSync(run.config) && existsSync(run.checkpoints)) {
    const { checkpoint } = await latestCheckpoint(run.checkpoints);
    return { model: checkpoint.folder, run: path };
  }
  if (!existsSync(join(path, 'config.json'))) {
    throw new SpectraError('FILE_MISSING', {
      message: `${path} is neither a run nor a model folder: there is no config.json.`,
      where: path,
      fix: 'Name a run (runs/NAME), a checkpoint (runs/NAME/checkpoints/step-N) or a Hugging Face model folder.',
    });
  }
  const above = join(path, '..', '..');
  return existsSync(join(above, 'config.yaml')) ? { model: path, run: above } : { model: path };
}
