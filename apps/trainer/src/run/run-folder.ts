/** The folder of one run: `config.yaml`, `metrics.jsonl`, event files, `checkpoints/step-N`, `summary.json`, `report.html`. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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

/** Makes the folder of a new run; an existing run is an error unless `overwrite`. */
export function createRunFolder(config: TrainerConfig, overwrite: boolean): RunFolder {
  const folder = runFolderAt(join(config.runs_dir, config.name));
  if (existsSync(folder.config)) {
    if (!overwrite) {
      throw new SpectraError('FILE_EXISTS', {
        message: `the run folder ${folder.path} already holds a run.`,
        where: folder.path,
        fix: 'Continue it with --resume, replace it with --overwrite, or give another name with --set name=….',
      });
    }
    rmSync(folder.path, { recursive: true });
  }
  mkdirSync(folder.checkpoints, { recursive: true });
  writeAtomically(folder.config, formatConfig(config));
  return folder;
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
    rmSync(temporary, { force: true });
    const code = (cause as NodeJS.ErrnoException).code === 'ENOSPC' ? 'DISK_FULL' : 'FILE_MISSING';
    throw new SpectraError(code, { message: `cannot write ${path}: ${(cause as Error).message}`, where: path, cause });
  }
}

export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', { message: `cannot read ${path} as JSON: ${(cause as Error).message}`, where: path, cause });
  }
}
