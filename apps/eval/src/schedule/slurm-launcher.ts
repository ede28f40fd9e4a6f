/** Runs of a plan as one array job of a Slurm cluster. */
import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { makeFolder, writeAtomically } from '@spectra/trainer';
import { runFolder, writeJob } from '../runs/job.ts';
import type { Schedule } from './schedule.ts';

/** Seconds before its time limit in which a task is asked to save. */
const NOTICE = 120;

export interface Submission {
  readonly script: string;
  readonly tasks: number;
  /** What sbatch called it. */
  readonly job: string;
}

/**
 * Writes the script and hands it to sbatch; `options` are further #SBATCH lines. Undefined if nothing is left to do.
 * Tasks write their rows themselves, so that `status`, `report` and a further `run` find them.
 */
export function launchOnSlurm(
  schedule: Schedule,
  jobs: number,
  options: readonly string[],
): Submission | undefined {
  const left = schedule.left();
  if (left.length === 0) return undefined;
  const waiting = left.filter(({ id }) => schedule.store.run(id)?.status === 'submitted').length;
  if (waiting > 0) {
    schedule.announce(
      `${waiting} of them were submitted before and have no row yet; where such a job is still to come, cancel it (a run never has two processes)`,
    );
  }
  const folder = join(resolve(schedule.runs), 'slurm');
  makeFolder(folder);
  const folders = left.map(run => resolve(runFolder(schedule.runs, run.id)));
  for (const [i, run] of left.entries()) writeJob(folders[i]!, { run, rows: schedule.rows });
  // tasks read the list when they start, so that each submission needs one of its own
  const name = new Date().toISOString().replaceAll(':', '-');
  const list = join(folder, `tasks-${name}.txt`);
  writeAtomically(list, `${folders.join('\n')}\n`);
  const script = join(folder, `array-${name}.sh`);
  const program = [schedule.program.file, ...schedule.program.arguments].map(quoted).join(' ');
  const lines = [
    '#!/bin/bash',
    `#SBATCH --job-name=${schedule.plan.suite.name}`,
    `#SBATCH --array=0-${left.length - 1}%${jobs}`,
    `#SBATCH --output=${join(folder, '%A_%a.out')}`,
    // to the shell, which the program replaces; without B only srun's steps would hear it
    `#SBATCH --signal=B:TERM@${NOTICE}`,
    ...options.map(option => `#SBATCH ${option}`),
    `cd ${quoted(process.cwd())}`,
    `FOLDER=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" ${quoted(list)})`,
    `exec ${program} execute "$FOLDER"`,
  ];
  writeAtomically(script, `${lines.join('\n')}\n`);
  const { error, status, stdout, stderr } = spawnSync('sbatch', ['--parsable', script], { encoding: 'utf8' });
  if (error !== undefined || status !== 0) {
    throw new SpectraError('USAGE', {
      message: `sbatch ${error === undefined ? `ended with ${status}: ${stderr.trim()}` : 'cannot be started'}.`,
      where: script,
      fix: 'Submit the script yourself, or run with --launcher local.',
      cause: error,
    });
  }
  for (const { id } of left) schedule.store.mark(id, 'submitted');
  return { script, tasks: left.length, job: stdout.trim().split(';')[0]! };
}

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
