import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { checkpointSteps } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { loadConfig } from '../config/load.ts';
import { RUN_NAME, type TrainerConfig } from '../config/schema.ts';
import { dryRun } from '../run/dry-run.ts';
import { finishRun, printSummary } from '../run/finish.ts';
import { exitCodeOfSignal, Interrupt } from '../run/interrupt.ts';
import { newRunFolder, openRunFolder, type RunFolder, runFolderAt } from '../run/run-folder.ts';
import { runTraining } from '../run/train-run.ts';

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
  if (options.resume && existsSync(existing.config)) await trainAndFinish(config, existing, true);
  else await trainAndFinish(config, newRunFolder(config, options.overwrite), false);
}

export async function resumeCommand(path: string): Promise<void> {
  const folder = openRunFolder(path);
  const at = resolve(path);
  const config = loadConfig(folder.config);
  // a run that was moved goes by its folder, unless that is no name that a configuration may have
  const name = RUN_NAME.test(basename(at)) ? basename(at) : config.name;
  await trainAndFinish({ ...config, name, runs_dir: dirname(at) }, folder, true);
}

/** Trains to the end, then writes summary and report; exits with the signal's code where one ended training. */
async function trainAndFinish(config: TrainerConfig, folder: RunFolder, resume: boolean): Promise<void> {
  const interrupt = new Interrupt(text => console.error(`\n${text}`));
  try {
    const outcome = await runTraining(config, { folder, resume, interrupt });
    try {
      if ('signal' in outcome) {
        console.error(
          `Saved at step ${outcome.trainer.step}. Continue with: spectra-trainer resume ${folder.path}`,
        );
        process.exitCode = exitCodeOfSignal(outcome.signal);
      } else {
        printSummary(await finishRun(config, folder, outcome), folder);
      }
    } finally {
      await outcome.trainer.dispose();
    }
  } catch (error) {
    if (error instanceof SpectraError && error.code === 'DIVERGED')
      console.error(await whereToGoBack(folder));
    throw error;
  } finally {
    interrupt.release();
  }
}

async function whereToGoBack(folder: RunFolder): Promise<string> {
  const step = (await checkpointSteps(folder.checkpoints)).at(-1);
  return step === undefined
    ? 'No checkpoint was saved before.'
    : `The last checkpoint before is step ${step} in ${folder.checkpoints}.`;
}
