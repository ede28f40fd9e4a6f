/** The folder of one run: `config.yaml`, `metrics.jsonl`, event files, `checkpoints/step-N`, `summary.json`, `report.html`. */
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { formatConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';

export interface RunFolder {
  readonly path: string;
  readonly config: string;
  readonly metrics: string;
  readonly checkpoints: string;
  readonly summary: string;
  readonly report: string;
}

export function runFolderAt(path: string): RunFolder {
  return {
    path,
    config: join(path, 'config.yaml'),
    metrics: join(path, 'metrics.jsonl'),
    checkpoints: join(path, 'checkpoints'),
    summary: join(path, 'summary.json'),
    report: join(path, 'report.html'),
  };
}

/** Where a new run goes; an existing run there is `FILE_EXISTS` unless `overwrite`. Touches nothing. */
export function newRunFolder(config: TrainerConfig, overwrite: boolean): RunFolder {
  const folder = runFolderAt(join(config.runs_dir, config.name));
  if (!overwrite && existsSync(folder.config)) {
    throw new SpectraError('FILE_EXISTS', {
      message: 'the run folder already holds a run.',
      where: folder.path,
      fix: 'Continue it with --resume, replace it with --overwrite, or give another name with --set name=….',
    });
  }
  return folder;
}

/**
 * Begins a run: removes what a former one left, writes `config.yaml`. Call once all that can fail has not. `FILE_EXISTS`
 * where the folder of the model that the run begins from would be removed with it.
 */
export function startRunFolder(folder: RunFolder, config: TrainerConfig, modelFolder?: string): void {
  if (existsSync(folder.config)) {
    if (modelFolder !== undefined && liesIn(folder.path, modelFolder)) {
      throw new SpectraError('FILE_EXISTS', {
        message: `the run would overwrite the model that it begins from, ${modelFolder}.`,
        where: folder.path,
        fix: 'Give the new run another name with --set name=….',
      });
    }
    rmSync(folder.path, { recursive: true });
  }
  makeFolder(folder.checkpoints);
  writeAtomically(folder.config, formatConfig(config));
}

function liesIn(folder: string, path: string): boolean {
  const way = relative(realpathSync(folder), realpathSync(path));
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** With the folders above it. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (cause) {
    throw writeError(path, cause);
  }
}

/** The folder of an existing run. */
export function openRunFolder(path: string): RunFolder {
  const folder = runFolderAt(path);
  if (!existsSync(folder.config)) {
    throw new SpectraError('FILE_MISSING', {
      message: `${path} is no run folder: it has no config.yaml.`,
      where: path,
      fix: 'Give the folder that `spectra-trainer train` wrote, e.g. runs/demo.',
    });
  }
  return folder;
}

/** Writes a whole file or leaves the old one. */
export function writeAtomically(path: string, text: string): void {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (cause) {
    if (existsSync(temporary)) rmSync(temporary);
    throw writeError(path, cause);
  }
}

function writeError(path: string, cause: unknown): SpectraError {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const full = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code);
  return new SpectraError(full ? 'DISK_FULL' : 'FILE_MISSING', {
    message: `cannot write: ${message}.`,
    where: path,
    fix: full
      ? 'Free some space or write to another disk.'
      : 'Check that the path is a folder that you may write to.',
    cause,
  });
}
