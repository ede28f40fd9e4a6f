/** Saving and restoring a whole training state. A checkpoint folder is at once a model folder that can be loaded. */
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Checkpoint,
  checkpointName,
  convertedConfig,
  pruneCheckpoints,
  tensorSpec,
  toTensor,
  writeCheckpoint,
} from '@spectra/checkpoint/node';
import type { StreamCursor } from '@spectra/data';
import { SpectraError } from '@spectra/tensor';
import { loadModelTensors, modelTensorSpecs } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import { isSection } from '../config/is-section.ts';
import { formatConfig, parseConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import type { Trainer } from '../training/trainer.ts';
import type { Companions } from './companions.ts';
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
  /** Numbers in the parameters, in all and trained; checkpoints of older programs do not say. */
  readonly parameters?: number;
  readonly trainable?: number;
}

/** Writes `checkpoints/step-N` whole or not at all, with the model's tokenizer and the like; then removes old ones. */
export async function saveCheckpoint(
  trainer: Trainer,
  folder: RunFolder,
  trainSeconds: number,
  companions: Companions = new Map(),
): Promise<string> {
  const path = join(folder.checkpoints, checkpointName(trainer.step));
  const state: TrainingState = {
    format: FORMAT,
    step: trainer.step,
    tokens_seen: trainer.tokensSeen,
    train_seconds: trainSeconds,
    cursor: trainer.stream.cursor(),
    config_hash: configHash(trainer.config),
    backend: tf.getBackend(),
    ...trainer.size(),
  };
  await rm(join(path, 'DONE'), { force: true }); // one of this step is broken, or the run would have resumed from it
  await writeCheckpoint(path, async writer => {
    await writer.tensors('model', modelTensorSpecs(trainer.model), { metadata: { format: 'pt' } });
    const moments = [...trainer.optimizer.state()];
    try {
      await writer.tensors(
        'optimizer',
        moments.map(([name, tensor]) => tensorSpec(name, tensor)),
      );
    } finally {
      tf.dispose(moments.map(([, tensor]) => tensor));
    }
    await writer.json('config.json', convertedConfig(trainer.model.description.config, 'f32'));
    await writer.json('state.json', state);
    await writer.bytes('config.yaml', formatConfig(trainer.config));
    for (const [name, content] of companions) await writer.bytes(name, content);
  });
  const { train } = trainer.config;
  const kept = milestoneSteps(train);
  await pruneCheckpoints(folder.checkpoints, train.keep_checkpoints, { protect: step => kept.has(step) });
  return path;
}

/** The steps whose checkpoints are saved and kept: at least one step each. */
export function milestoneSteps({ steps, milestones }: TrainerConfig['train']): ReadonlySet<number> {
  return new Set(milestones.map(share => Math.max(1, Math.round(share * steps))));
}

/** Puts a fresh trainer of the same configuration where the checkpoint was. Its stream must be opened at the cursor. */
export async function restoreCheckpoint(
  trainer: Trainer,
  checkpoint: Checkpoint,
  state: TrainingState,
): Promise<void> {
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
    await trainer.optimizer.loadState(loaded);
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
      message: `its format is ${String(state.format)}, this version reads ${FORMAT}.`,
      where: checkpoint.folder,
    });
  }
  return state;
}

/** `CHECKPOINT_MISMATCH`, with the keys, unless the configuration gives the numbers that the checkpoint's would. */
export async function checkSameConfig(
  config: TrainerConfig,
  checkpoint: Checkpoint,
  state: TrainingState,
): Promise<void> {
  if (state.config_hash === configHash(config)) return;
  const saved = parseConfig(
    new TextDecoder().decode(await checkpoint.bytes('config.yaml')),
    [],
    checkpoint.folder,
  );
  // an older program did not know every key: read today, its configuration has the same defaults
  const found = differences(decisive(saved), decisive(config));
  if (found.length === 0) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `the checkpoint was made with another configuration: ${found.join('; ')}.`,
    where: checkpoint.folder,
    fix: 'Resume with the config.yaml of the run; only logging, evaluation, checkpoints, workers, time limit, backend and samples may change.',
  });
}

/** A hash of what decides the numbers. */
export function configHash(config: TrainerConfig): string {
  return createHash('sha256')
    .update(JSON.stringify(decisive(config)))
    .digest('hex');
}

/** The keys that decide the numbers; the steps are among them, since the learning rate follows from their number. */
function decisive({ seed, model, data, optim, train }: TrainerConfig): object {
  const { steps, settle_steps, micro_batches, balance, causal_steps, embedding_noise } = train;
  return {
    seed,
    model,
    data,
    optim,
    train: { steps, settle_steps, micro_batches, balance, causal_steps, embedding_noise },
  };
}

/** Where two configurations differ: `model.hidden_size was 16, is 32`. */
function differences(was: unknown, is: unknown, path = ''): string[] {
  if (JSON.stringify(was) === JSON.stringify(is)) return [];
  if (!isSection(was) || !isSection(is))
    return [`${path} was ${JSON.stringify(was) ?? 'unset'}, is ${JSON.stringify(is) ?? 'unset'}`];
  return [...new Set([...Object.keys(was), ...Object.keys(is)])].flatMap(key =>
    differences(was[key], is[key], path === '' ? key : `${path}.${key}`),
  );
}
