/** Saving and restoring a whole training state. A checkpoint folder is at once a model folder that can be loaded. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Checkpoint, checkpointName, pruneCheckpoints, tensorSpec, toTensor, writeCheckpoint } from '@spectra/checkpoint/node';
import type { StreamCursor } from '@spectra/data';
import { SpectraError } from '@spectra/tensor';
import { loadModelTensors, modelTensorSpecs, toHfConfig } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import { formatConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import type { Trainer } from '../training/trainer.ts';
import type { RunFolder } from './run-folder.ts';

const FORMAT = 1;

/** What a checkpoint knows besides tensors. */
export interface TrainingState {
  readonly format: number;
  readonly step: number;
  readonly tokens_seen: number;
  /** Seconds of training so far, over all resumes. */
  readonly train_seconds: number;
  readonly cursor: StreamCursor;
  /** Of the keys that decide the numbers; see `configHash`. */
  readonly config_hash: string;
  readonly backend: string;
}

/** Writes `checkpoints/step-N` whole or not at all, then removes old ones. */
export async function saveCheckpoint(trainer: Trainer, folder: RunFolder, trainSeconds: number): Promise<string> {
  const path = join(folder.checkpoints, checkpointName(trainer.step));
  const state: TrainingState = {
    format: FORMAT,
    step: trainer.step,
    tokens_seen: trainer.tokensSeen,
    train_seconds: trainSeconds,
    cursor: trainer.stream.cursor(),
    config_hash: configHash(trainer.config),
    backend: tf.getBackend(),
  };
  await writeCheckpoint(path, async writer => {
    await writer.tensors('model', modelTensorSpecs(trainer.model), { metadata: { format: 'pt' } });
    const moments = [...trainer.optimizer.state()];
    await writer.tensors('optimizer', moments.map(([name, tensor]) => tensorSpec(name, tensor)));
    await writer.json('config.json', toHfConfig(trainer.model.config));
    await writer.json('state.json', state);
    await writer.bytes('config.yaml', formatConfig(trainer.config));
  });
  await pruneCheckpoints(folder.checkpoints, trainer.config.train.keep_checkpoints);
  return path;
}

/** Puts a fresh trainer of the same configuration where the checkpoint was. Its stream must be opened at the cursor. */
export async function restoreCheckpoint(trainer: Trainer, checkpoint: Checkpoint, state: TrainingState): Promise<void> {
  const hash = configHash(trainer.config);
  if (state.config_hash !== hash) {
    throw new SpectraError('CHECKPOINT_MISMATCH', {
      message: 'the checkpoint was made with another configuration.',
      where: checkpoint.folder,
      fix: 'Resume with the config.yaml of the run; only steps, logging, checkpoints, workers and samples may change.',
    });
  }
  const model = await checkpoint.tensors('model');
  try {
    await loadModelTensors(trainer.model, model);
  } finally {
    await model.close();
  }
  const moments = await checkpoint.tensors('optimizer');
  try {
    const loaded = new Map<string, tf.Tensor>();
    for (const name of moments.names()) loaded.set(name, toTensor(await moments.read(name), name));
    trainer.optimizer.loadState(loaded);
    tf.dispose([...loaded.values()]);
  } finally {
    await moments.close();
  }
  trainer.step = state.step;
  trainer.tokensSeen = state.tokens_seen;
}

export async function readTrainingState(checkpoint: Checkpoint): Promise<TrainingState> {
  const state = (await checkpoint.json('state.json')) as TrainingState;
  if (state.format !== FORMAT) {
    throw new SpectraError('CHECKPOINT_MISMATCH', {
      message: `its format is ${String(state.format)}, this version reads ${FORMAT}.`, where: checkpoint.folder,
    });
  }
  return state;
}

/** A hash of what decides the numbers; the learning-rate schedule's length is part of it. */
export function configHash(config: TrainerConfig): string {
  const { steps, micro_batches, balance } = config.train;
  const decisive = { seed: config.seed, model: config.model, data: config.data, optim: config.optim, train: { steps, micro_batches, balance } };
  return createHash('sha256').update(JSON.stringify(decisive)).digest('hex');
}
