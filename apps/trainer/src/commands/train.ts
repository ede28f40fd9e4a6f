import { basename, dirname } from 'node:path';
import { latestCheckpoint } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { loadConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { dryRun } from '../run/dry-run.ts';
import { exitCodeOfSignal, Interrupt } from '../run/interrupt.ts';
import { finishRun, printSummary } from '../run/finish.ts';
import { createRunFolder, openRunFolder, type RunFolder, runFolderAt } from '../run/run-folder.ts';
import { type RunOutcome, runTraining } from '../run/train-run.ts';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export interface TrainOptions {
  readonly set: readonly string[];
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly dryRun: boolean;
}

export async function trainCommand(path: string, options: TrainOptions): Promise<void> {
  const config = loadConfig(path, options.set);
  if (options.dryRun) {
    await dryRun(config);
    return;
  }
  const existing = runFolderAt(join(config.runs_dir, config.name));
  if (options.resume && existsSync(existing.config)) await resumeCommand(existing.path);
  else await trainAndFinish(config, createRunFolder(config, options.overwrite), false);
}

export async function resumeCommand(path: string): Promise<void> {
  const folder = openRunFolder(path);
  await latestCheckpoint(folder.checkpoints, { verify: 'size' }); // says so at once where there is nothing to resume
  const config = loadConfig(folder.config);
  await trainAndFinish({ ...config, name: basename(path), runs_dir: dirname(path) }, folder, true);
}

/** Trains to the end, then writes summary and report; exits with the signal's code where one ended training. */
async function trainAndFinish(config: TrainerConfig, folder: RunFolder, resume: boolean): Promise<void> {
  const interrupt = new Interrupt(text => console.error(`\n${text}`));
  let outcome: RunOutcome | undefined;
  try {
    outcome = await runTraining(config, { folder, resume, interrupt });
    if (outcome.stopped === 'SIGINT' || outcome.stopped === 'SIGTERM') {
      console.error(`Saved at step ${outcome.trainer.step}. Continue with: spectra-trainer resume ${folder.path}`);
      process.exitCode = exitCodeOfSignal(outcome.stopped);
      return;
    }
    printSummary(await finishRun(config, folder, outcome), folder);
  } catch (error) {
    if (error instanceof SpectraError && error.code === 'DIVERGED') {
      console.error(`The last good checkpoint is in ${folder.checkpoints}.`);
    }
    throw error;
  } finally {
    interrupt.release();
    await outcome?.trainer.dispose();
  }
}
