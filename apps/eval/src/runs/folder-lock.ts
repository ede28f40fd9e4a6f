/** One process at a time in a folder, whatever became of the last. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { SpectraError } from '@spectra/tensor';

const RETRY_MS = 200;

interface Owner {
  readonly pid: number;
  readonly host: string;
}

/**
 * Takes `name` in `folder`; returns what releases it. A lock whose process on this machine has ended is taken over.
 * `FILE_EXISTS` when another process still holds it after `patienceMs`.
 */
export async function lockFolder(folder: string, name: string, patienceMs: number): Promise<() => void> {
  const path = join(folder, name);
  for (const end = Date.now() + patienceMs; ; ) {
    if (tryLock(path)) return () => rmSync(path, { force: true });
    const owner = ownerOf(path);
    if (owner !== undefined && isGone(owner)) {
      rmSync(path, { force: true });
      continue;
    }
    if (Date.now() >= end) {
      throw new SpectraError('FILE_EXISTS', {
        message: `process ${owner?.pid ?? '?'} on ${owner?.host ?? '?'} is at work here.`,
        where: path,
        fix: 'Wait for it, end it, or remove the file if there is no such process.',
      });
    }
    await setTimeout(RETRY_MS);
  }
}

function tryLock(path: string): boolean {
  try {
    const file = openSync(path, 'wx');
    const owner: Owner = { pid: process.pid, host: hostname() };
    writeSync(file, JSON.stringify(owner));
    closeSync(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined while it is being written, or gone. */
function ownerOf(path: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

function isGone({ pid, host }: Owner): boolean {
  if (host !== hostname() || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
