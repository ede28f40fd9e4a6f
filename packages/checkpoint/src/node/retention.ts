/** Removes checkpoints that are no longer wanted. */
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { checkValue } from '@spectra/tensor';
import { checkpointName, listCheckpoints } from './checkpoint-reader.ts';
import { TEMPORARY_PREFIX } from './checkpoint-writer.ts';
import { isMissing, readError } from './file-errors.ts';
import { DONE } from './manifest.ts';
import { isRunning } from './running.ts';

export interface RetentionOptions {
  /** Steps to keep whatever their age. */
  readonly protect?: (step: number) => boolean;
}

/**
 * Keeps the newest `keep` (≥ 1) whole checkpoints under `root` and removes older whole ones, and temporary folders
 * whose process on this machine has ended. Broken ones stay for a person to look at, and never count. Returns the
 * removed steps, rising.
 */
export async function pruneCheckpoints(
  root: string,
  keep: number,
  options: RetentionOptions = {},
): Promise<number[]> {
  checkValue(Number.isInteger(keep) && keep >= 1, `keep is ${keep}, must be at least 1.`, 'pruneCheckpoints');
  const whole = (await listCheckpoints(root, { verify: 'size' })).filter(
    found => found.checkpoint !== undefined,
  );
  const removed: number[] = [];
  for (const { step } of whole.slice(keep).reverse()) {
    if (options.protect?.(step)) continue;
    const folder = join(root, checkpointName(step));
    // without DONE it counts as incomplete at once, so dying in between leaves nothing half-valid
    await rm(join(folder, DONE), { force: true });
    await rm(folder, { recursive: true, force: true });
    removed.push(step);
  }
  await removeAbandoned(root);
  return removed;
}

async function removeAbandoned(root: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(root);
  } catch (error) {
    if (isMissing(error)) return;
    throw readError(error, root);
  }
  const ours = `${TEMPORARY_PREFIX}${hostname()}-`;
  for (const name of names.filter(found => found.startsWith(ours))) {
    const owner = Number.parseInt(name.slice(ours.length), 10);
    if (!Number.isInteger(owner)) continue;
    // the only process of a container has the number of the one before it
    const before = owner === process.pid && (await changedBeforeUs(join(root, name)));
    if (before || !isRunning(owner)) {
      await rm(join(root, name), { recursive: true, force: true });
    }
  }
}

/** Whether a folder has not changed since this process began. */
async function changedBeforeUs(path: string): Promise<boolean> {
  const { mtimeMs } = await stat(path);
  return mtimeMs < Date.now() - 1000 * process.uptime();
}
