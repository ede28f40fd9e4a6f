/** A run as it is handed to the process that makes it: `job.json` in the run's folder. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { makeFolder, writeAtomically } from '@spectra/trainer';
import type { PlannedRun } from '../suite/expand.ts';

export interface Job {
  readonly run: PlannedRun;
  /** Folder of rows. */
  readonly rows: string;
}

/** Why a run did not come to its end, beside the job. */
export interface Failure {
  readonly code: string;
  readonly message: string;
}

export const runFolder = (runs: string, id: string): string => join(runs, id);
export const logPath = (folder: string): string => join(folder, 'run.log');
const jobPath = (folder: string): string => join(folder, 'job.json');
const failurePath = (folder: string): string => join(folder, 'failure.json');

/** Paths become absolute, so that the process may start anywhere. What an earlier attempt failed of is forgotten. */
export function writeJob(folder: string, job: Job): void {
  makeFolder(folder);
  rmSync(failurePath(folder), { force: true });
  writeAtomically(jobPath(folder), `${JSON.stringify({ ...job, rows: resolve(job.rows) }, null, 1)}\n`);
}

export function readJob(folder: string): Job {
  const path = jobPath(folder);
  if (!existsSync(path)) {
    throw new SpectraError('FILE_MISSING', {
      message: 'there is no job.json.',
      where: folder,
      fix: 'Let `spectra-eval run` make the folder.',
    });
  }
  return JSON.parse(readFileSync(path, 'utf8')) as Job;
}

export function writeFailure(folder: string, failure: Failure): void {
  writeAtomically(failurePath(folder), `${JSON.stringify(failure)}\n`);
}

export function readFailure(folder: string): Failure | undefined {
  const path = failurePath(folder);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Failure) : undefined;
}
