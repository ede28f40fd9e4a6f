/** Opens checkpoint folders and finds the newest one that is whole. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { broken } from '../header.ts';
import type { TensorStore } from '../tensor-store.ts';
import { isMissing, readError } from './file-errors.ts';
import { type Manifest, readManifest, type Verification } from './manifest.ts';
import { openModel } from './model.ts';

/** A verified checkpoint. */
export interface Checkpoint {
  readonly folder: string;
  readonly manifest: Manifest;
  has(name: string): boolean;
  /** The weights written with `tensors(base, …)`; close them after use. */
  tensors(base: string): Promise<TensorStore>;
  json(name: string): Promise<unknown>;
  bytes(name: string): Promise<Uint8Array>;
}

export interface OpenOptions {
  /** `sha256` (default) reads every file once; `size` only looks at lengths. */
  readonly verify?: Verification;
}

/**
 * Opens and verifies a checkpoint: `CHECKPOINT_MISSING` if the folder is not there, `CHECKPOINT_BROKEN` if it is
 * incomplete or a file changed.
 */
export async function openCheckpoint(folder: string, options: OpenOptions = {}): Promise<Checkpoint> {
  const manifest = await readManifest(folder, options.verify ?? 'sha256');
  const has = (name: string): boolean => Object.hasOwn(manifest.files, name);
  const bytes = async (name: string): Promise<Uint8Array> => {
    if (!has(name)) {
      throw new SpectraError('CHECKPOINT_MISMATCH', { message: `it holds no ${name}.`, where: folder });
    }
    try {
      return await readFile(join(folder, name));
    } catch (error) {
      throw readError(error, join(folder, name));
    }
  };
  return {
    folder,
    manifest,
    has,
    bytes,
    async json(name) {
      const text = new TextDecoder().decode(await bytes(name));
      try {
        return JSON.parse(text) as unknown;
      } catch (cause) {
        throw broken('it is not JSON.', join(folder, name), cause);
      }
    },
    async tensors(base) {
      if (!has(`${base}.safetensors`) && !has(`${base}.safetensors.index.json`)) {
        throw new SpectraError('CHECKPOINT_MISMATCH', {
          message: `it holds no "${base}" tensors.`,
          where: folder,
        });
      }
      return openModel(folder, base);
    },
  };
}

/** A checkpoint folder `step-N` of a run. */
export interface ListedCheckpoint {
  readonly folder: string;
  readonly step: number;
  /** Set unless it is whole; then `problem` says why not. */
  readonly problem?: SpectraError;
  readonly checkpoint?: Checkpoint;
}

/** The name of a step's folder: `step-120`. */
export function checkpointName(step: number): string {
  return `step-${step}`;
}

/** Steps that have a folder under `root`, rising, whole or not; none if `root` does not exist. */
export async function checkpointSteps(root: string): Promise<number[]> {
  let names: string[];
  try {
    names = await readdir(root);
  } catch (error) {
    if (isMissing(error)) return [];
    throw readError(error, root);
  }
  const steps = names.flatMap(name => /^step-(0|[1-9]\d*)$/.exec(name)?.[1] ?? []);
  return steps.map(Number).sort((a, b) => a - b);
}

/** Every `step-N` under `root`, newest first, each verified. */
export async function listCheckpoints(root: string, options: OpenOptions = {}): Promise<ListedCheckpoint[]> {
  const listed: ListedCheckpoint[] = [];
  for (const step of (await checkpointSteps(root)).reverse()) listed.push(await inspect(root, step, options));
  return listed;
}

/**
 * The newest whole checkpoint under `root` with its step. Broken, incomplete and temporary ones are passed over;
 * `CHECKPOINT_MISSING` if none is left, with what was wrong with each.
 */
export async function latestCheckpoint(
  root: string,
  options: OpenOptions = {},
): Promise<{ readonly step: number; readonly checkpoint: Checkpoint; readonly skipped: ListedCheckpoint[] }> {
  const skipped: ListedCheckpoint[] = [];
  for (const step of (await checkpointSteps(root)).reverse()) {
    const found = await inspect(root, step, options);
    if (found.checkpoint !== undefined) return { step, checkpoint: found.checkpoint, skipped };
    skipped.push(found);
  }
  const reasons = skipped.map(({ problem }) => ` ${problem?.message}`).join('');
  throw new SpectraError('CHECKPOINT_MISSING', {
    message: `there is no complete checkpoint.${reasons}`,
    where: root,
    fix: 'Start without resuming, or give another folder.',
  });
}

async function inspect(root: string, step: number, options: OpenOptions): Promise<ListedCheckpoint> {
  const folder = join(root, checkpointName(step));
  try {
    return { folder, step, checkpoint: await openCheckpoint(folder, options) };
  } catch (error) {
    if (!(error instanceof SpectraError)) throw error;
    return { folder, step, problem: error };
  }
}
