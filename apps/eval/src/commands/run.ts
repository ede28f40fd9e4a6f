import { existsSync } from 'node:fs';
import { SpectraError } from '@spectra/tensor';
import { EXIT, exitCodeOfSignal, makeFolder } from '@spectra/trainer';
import { lockFolder } from '../runs/folder-lock.ts';
import { estimatePlan } from '../schedule/dry-run.ts';
import { launchLocally } from '../schedule/local-launcher.ts';
import { RowCommits } from '../schedule/row-commits.ts';
import type { Schedule } from '../schedule/schedule.ts';
import { launchOnSlurm } from '../schedule/slurm-launcher.ts';
import { openSchedule, type SuiteOptions, storePath } from './open-suite.ts';
import { writeReport } from './report.ts';

export interface RunOptions extends SuiteOptions {
  readonly jobs: number;
  readonly launcher: 'local' | 'slurm';
  readonly slurmOption: readonly string[];
  readonly dryRun: boolean;
  /** Whether rows are committed as they come. */
  readonly commit: boolean;
}

/** Trains what is left of a suite, then writes its report. */
export async function runCommand(path: string, options: RunOptions): Promise<void> {
  if (options.commit && options.launcher === 'slurm') {
    throw new SpectraError('USAGE', {
      message: 'a job of a cluster cannot commit its row.',
      where: '--commit',
      fix: 'Submit without --commit; once rows are there, `run --commit` without --launcher records them.',
    });
  }
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
  if (!existsSync(storePath(options))) {
    throw new SpectraError('FILE_MISSING', {
      message: 'no suite was begun here.',
      where: options.runs,
      fix: 'Begin one with `spectra-eval run`, or name its folder with --runs.',
    });
  }
  await runCommand(path, options);
}

async function launch(schedule: Schedule, options: RunOptions): Promise<void> {
  const commit = options.commit ? committer(schedule) : undefined;
  // those of a launch that was killed between a run and its commit
  commit?.(`Record runs of ${schedule.plan.suite.name}.`);
  const left = schedule.left().length;
  const total = schedule.plan.runs.length;
  console.error(`${total} runs, ${total - left} on record, ${left} to make`);
  const others = schedule.otherSources();
  if (others.rows > 0) {
    console.error(
      `${others.rows} of them by other versions of the program (${others.sources.join(', ')}); a row that is removed is made again`,
    );
  }
  if (options.launcher === 'slurm') {
    const submitted = launchOnSlurm(schedule, options.jobs, options.slurmOption);
    console.log(
      submitted === undefined
        ? 'nothing is left to submit'
        : `submitted job ${submitted.job} of ${submitted.tasks} tasks: ${submitted.script}`,
    );
    return;
  }
  const signal = await launchLocally(schedule, options.jobs, run => commit?.(`Record ${run.label}.`));
  if (signal !== undefined) {
    console.error(`Saved. Continue with: spectra-eval resume ${schedule.plan.path}`);
    process.exitCode = exitCodeOfSignal(signal);
    return;
  }
  console.log(`report: ${writeReport(schedule.plan, options)}`);
  process.exitCode = exitCodeOfPlan(schedule);
}

/** A commit that fails, for a lock or a name that is not set, stops nothing: it says why and the next one takes its rows along. */
function committer({ rows, announce }: Schedule): (message: string) => void {
  const commits = new RowCommits(rows);
  return message => {
    const problem = commits.commit(message);
    if (problem !== undefined) announce(`not committed yet: ${problem}`);
  };
}

/** 1 if any run failed, was not valid or was stopped: the rest of the suite is there all the same. */
export function exitCodeOfPlan(schedule: Schedule): number {
  const { plan, store } = schedule;
  const failed = store.runs(plan).filter(({ status }) => status === 'failed');
  const known = new Set(failed.map(({ id }) => id));
  const stopped = schedule.left().filter(({ id }) => !known.has(id));
  const invalid = plan.entries.filter(({ reason }) => reason !== undefined);
  for (const { label } of stopped) console.error(`not finished: ${label}: its process was asked to stop`);
  for (const { label, code, reason } of failed) console.error(`failed: ${label}: ${code}: ${reason}`);
  for (const { table, arm, seed, reason } of invalid)
    console.error(`not valid: ${table} ${arm} seed ${seed}: ${reason}`);
  return failed.length + stopped.length + invalid.length === 0 ? EXIT.ok : EXIT.failed;
}
