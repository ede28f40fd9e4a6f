/**
 * A folder that is being written: its files, and a list of those that are finished, so that a process killed at any
 * moment can be followed by another that goes on. `<target>.partial/model` becomes the target by one rename.
 */
import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { isRecord } from '../header.ts';
import { isPlainFileName } from '../sharded.ts';
import { isMissing, readError, writeError } from './file-errors.ts';
import { syncFolder, type WrittenFile } from './file-sink.ts';
import { hashFile } from './manifest.ts';
import { isRunning } from './running.ts';

/** Counts changes of what is kept here; what another version left is begun anew. */
const VERSION = 1;
const LIST = 'finished.jsonl';
const LOCK = 'owner.json';
const MODEL = 'model';

export interface PartialFolder {
  /** Where the files go. */
  readonly folder: string;
  /** Files that an earlier process finished, with the size and hash that they still have. */
  readonly finished: ReadonlyMap<string, WrittenFile>;
  /** Notes a finished file; it must be on the disk. */
  finish(file: string, written: WrittenFile): Promise<void>;
  /** Makes it the target. */
  complete(): Promise<void>;
  /** Removes it with all that is in it. */
  discard(): Promise<void>;
}

/**
 * Opens `<target>.partial`. What a former process with an equal `identity` finished there is kept, anything else of a
 * former one is removed. `FILE_EXISTS` if the target is there, if another process is at work, or if the folder is not
 * one of these.
 */
export async function openPartialFolder(target: string, identity: unknown): Promise<PartialFolder> {
  const goal = resolve(target);
  const root = `${goal}.partial`;
  const list = join(root, LIST);
  const lock = join(root, LOCK);
  const folder = join(root, MODEL);
  if (await exists(goal)) {
    // a process that was killed right after the rename
    if ((await exists(lock)) && !(await exists(folder))) await rm(root, { recursive: true });
    throw new SpectraError('FILE_EXISTS', {
      message: 'the target exists already.',
      where: target,
      fix: 'Give another target, or remove that one first.',
    });
  }
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex');
  const former = await readFormer(root);
  let finished = new Map<string, WrittenFile>();
  try {
    if (former?.identity === hash) finished = await stillThere(folder, former.finished);
    else await rm(root, { recursive: true, force: true });
    await mkdir(root, { recursive: true });
    await writeSynced(lock, `${JSON.stringify({ host: hostname(), pid: process.pid })}\n`);
    const lines = [{ version: VERSION, identity: hash }, ...entries(finished)];
    await writeSynced(list, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw writeError(error, root);
  }
  return {
    folder,
    finished,
    async finish(file, written) {
      try {
        await appendFile(list, `${JSON.stringify({ file, ...written })}\n`, { flush: true });
      } catch (error) {
        throw writeError(error, list);
      }
    },
    async complete() {
      try {
        await syncFolder(folder);
        await rename(folder, goal);
        await syncFolder(dirname(goal));
        await rm(root, { recursive: true });
      } catch (error) {
        throw writeError(error, target);
      }
    },
    discard: () => rm(root, { recursive: true, force: true }),
  };
}

interface Former {
  readonly identity: string;
  readonly finished: readonly ({ readonly file: string } & WrittenFile)[];
}

/** What another process left, which may have died between any two lines of this file; undefined if nothing. */
async function readFormer(root: string): Promise<Former | undefined> {
  if (!(await exists(root))) return undefined;
  const names = await readdir(root).catch(error => {
    throw readError(error, root);
  });
  if (names.some(name => ![LIST, LOCK, MODEL].includes(name))) {
    throw new SpectraError('FILE_EXISTS', {
      message: 'this folder, which would be used while writing, holds something else.',
      where: root,
      fix: 'Remove or rename it.',
    });
  }
  const owner = parseLine((await readText(join(root, LOCK))) ?? '');
  const pid = owner?.pid;
  if (owner?.host === hostname() && typeof pid === 'number' && pid !== process.pid && isRunning(pid)) {
    throw new SpectraError('FILE_EXISTS', {
      message: `process ${pid} is writing it.`,
      where: root,
      fix: 'Wait for it, or give another target.',
    });
  }
  const text = (await readText(join(root, LIST))) ?? '';
  // the last line of a killed process may be cut
  const [first, ...rest] = text.split('\n').slice(0, -1).map(parseLine);
  const finished = rest.flatMap(line =>
    typeof line?.file === 'string' &&
    isPlainFileName(line.file) &&
    typeof line.size === 'number' &&
    typeof line.sha256 === 'string'
      ? [{ file: line.file, size: line.size, sha256: line.sha256 }]
      : [],
  );
  return { identity: first?.version === VERSION ? String(first.identity) : '', finished };
}

async function stillThere(folder: string, finished: Former['finished']): Promise<Map<string, WrittenFile>> {
  const kept = new Map<string, WrittenFile>();
  for (const { file, size, sha256 } of finished) {
    const path = join(folder, file);
    const found = await stat(path).catch(() => undefined);
    if (found?.size === size && (await hashFile(path)) === sha256) kept.set(file, { size, sha256 });
  }
  return kept;
}

function entries(finished: ReadonlyMap<string, WrittenFile>): object[] {
  return [...finished].map(([file, written]) => ({ file, ...written }));
}

function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

async function writeSynced(path: string, text: string): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw readError(error, path);
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
