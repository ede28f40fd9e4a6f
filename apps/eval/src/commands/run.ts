import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { EXIT, exitCodeOfSignal, makeFolder } from '@spectra/trainer';
import { lockFolder } from '../runs/folder-lock.ts';
import { estimatePlan } from '../schedule/dry-run.ts';
import { launchLocally } from '../schedule/local-launcher.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { launchOnSlurm } from '../schedule/slurm-launcher.ts';
import { openSchedule, type SuiteOptions } from './open-suite.ts';
import { writeReport } from './report.ts';

export interface RunOptions extends SuiteOptions {
  readonly jobs: number;
  readonly launcher: 'local' | 'slurm';
  readonly slurmOption: readonly string[];
  readonly dryRun: boolean;
}

/** Trains what is left of a suite, then writes its report. */
export async function runCommand(path: string, options: RunOptions): Promise<void> {
  makeFolder(options.runs);
  const release = await lockFolder(options.runs, 'suite.lock', 0);
  try {
    const schedule = await openSchedule(path, options);
    try {
      if (options.dryRun) {
        console.log(estimatePlan(schedule, options.jobs).text);
        if (schedule.plan.entries.some(({ reason }) => reason !== undefined)) process.exitCode = EXIT.usage;
        return;
      }
      await launch(schedule, options);
    } finally {
      schedule.store.close();
    }
  } finally {
    release();
  }
}

/** The same for a suite that was begun before; `FILE_MISSING` if it was not. */
export async function resumeCommand(path: string, options: RunOptions): Promise<void> {
  if (!existsSync(join(options.runs, 'store.sqlite'))) {
    throw new SpectraError('FILE_MISSING', {
      message: 'no suite was begun here.',
      where: options.runs,
      fix: 'Begin one with `spectra-eval run`, or name its folder with --runs.',
    });
  }
  await runCommand(path, options);
}

async function launch(schedule: Schedule, options: RunOptions): Promise<void> {
  const left = schedule.left().length;
  const total = schedule.plan.runs.length;
  console.error(`${total} runs, ${total - left} on record, ${left} to make`);
  if (options.launcher === 'slurm') {
    const submitted = launchOnSlurm(schedule, options.jobs, options.slurmOption);
    console.log(
      submitted === undefined
        ? 'nothing is left to submit'
        : `submitted job ${submitted.job} of ${submitted.tasks} tasks: ${submitted.script}`,
    );
    return;
  }
  const signal = await launchLocally(schedule, options.jobs);
  if (signal !== undefined) {
    console.error(`Saved. Continue with: spectra-eval resume ${schedule.plan.path}`);
    process.exitCode = exitCodeOfSignal(signal);
    return;
  }
  console.log(`report: ${writeReport(schedule.plan, options)}`);
  process.exitCode = exitCodeOfPlan(schedule);
}

/** 1 if any run failed or was not valid: the rest of the suite is there all the same. */
export function exitCodeOfPlan({ plan, store }: Schedule): number {
  const failed = store.runs(plan).filter(({ status }) => status === 'failed');
  const invalid = plan.entries.filter(({ reason }) => reason !== undefined);
  for (const { label, code, reason } of failed) console.error(`failed: ${label}: ${code}: ${reason}`);
  for (const { table, arm, seed, reason } of invalid)
    console.error(`not valid: ${table} ${arm} seed ${seed}: ${reason}`);
  return failed.length + invalid.length === 0 ? EXIT.ok : EXIT.failed;
}
