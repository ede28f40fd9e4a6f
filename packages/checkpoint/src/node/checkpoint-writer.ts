/**
 * Checkpoint folders that are either whole or not there. Everything is written and synced in a temporary folder
 * beside, `DONE` last, and one rename makes it visible: a process killed at any moment harms no earlier checkpoint.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { checkValue, SpectraError } from '@spectra/tensor';
import type { WritableSpec } from '../safetensors-writer.ts';
import { isPlainFileName } from '../sharded.ts';
import { writeError } from './file-errors.ts';
import { syncFolder, writeFileDurably } from './file-sink.ts';
import { DONE, MANIFEST, type Manifest, type ManifestEntry } from './manifest.ts';
import { type WriteModelOptions, writeModel } from './model.ts';

/** Adds files to a checkpoint that is being written. Names are plain file names, each used once. */
export interface CheckpointWriter {
  /** `<base>.safetensors`, or shards and an index above `maxShardBytes`. */
  tensors(
    base: string,
    specs: readonly WritableSpec[],
    options?: Omit<WriteModelOptions, 'base'>,
  ): Promise<void>;
  json(name: string, value: unknown): Promise<void>;
  bytes(name: string, content: Uint8Array | string): Promise<void>;
}

/** Temporary folders start with this, then name host and process, so that a later run can tell abandoned ones. */
export const TEMPORARY_PREFIX = '.tmp-';

/**
 * Writes the checkpoint `folder`. Errors: `FILE_EXISTS` if a complete one is there (an incomplete one is replaced),
 * `DISK_FULL` when the disk refuses; after any error the temporary folder is removed.
 */
export async function writeCheckpoint(
  folder: string,
  fill: (writer: CheckpointWriter) => Promise<void>,
): Promise<void> {
  const target = resolve(folder);
  const parent = dirname(target);
  await attempt(parent, () => mkdir(parent, { recursive: true }));
  if (await exists(join(target, DONE))) throw existsError(target);
  const name = `${TEMPORARY_PREFIX}${hostname()}-${process.pid}-${randomUUID()}-${basename(target)}`;
  const temporary = join(parent, name);
  await attempt(temporary, () => mkdir(temporary));
  try {
    await fillFolder(temporary, fill);
    await attempt(target, () => rm(target, { recursive: true, force: true }));
    await attempt(target, () => rename(temporary, target));
    await attempt(parent, () => syncFolder(parent));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

async function fillFolder(folder: string, fill: (writer: CheckpointWriter) => Promise<void>): Promise<void> {
  const files: Record<string, ManifestEntry> = {};
  const bytes = async (name: string, content: Uint8Array | string): Promise<void> => {
    checkName(name);
    const data = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    files[name] = await writeFileDurably(join(folder, name), sink => sink.write(data));
  };
  await fill({
    bytes,
    json: (name, value) => bytes(name, `${JSON.stringify(value, null, 2)}\n`),
    async tensors(base, specs, options) {
      checkName(base);
      Object.assign(files, await writeModel(folder, specs, { ...options, base }));
    },
  });
  const manifest: Manifest = { format: 'spectra-checkpoint', version: 1, files };
  const text = `${JSON.stringify(manifest, null, 2)}\n`;
  const hash = createHash('sha256').update(text).digest('hex');
  await writeText(join(folder, MANIFEST), text);
  await writeText(join(folder, DONE), `${hash}\n`);
  await attempt(folder, () => syncFolder(folder));
}

async function writeText(path: string, text: string): Promise<void> {
  await writeFileDurably(path, sink => sink.write(new TextEncoder().encode(text)));
}

function checkName(name: string): void {
  checkValue(
    isPlainFileName(name) && name !== DONE && name !== MANIFEST,
    `${JSON.stringify(name)} cannot be the name of a checkpoint's file.`,
    'writeCheckpoint',
  );
}

function existsError(target: string): SpectraError {
  return new SpectraError('FILE_EXISTS', {
    message: 'a complete checkpoint is there already.',
    where: target,
    fix: 'Write to another folder, or remove that one first.',
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw writeError(error, path);
  }
}
