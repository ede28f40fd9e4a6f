/**
 * A folder that is being written: its files, and a list of those that are finished, so that a process killed at any
 * moment can be followed by another that goes on. `<target>.partial/model` becomes the target by one rename.
 */
import { createHash } from 'node:crypto';
import { appendFile, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { isRecord } from '../header.ts';
import { isPlainFileName } from '../sharded.ts';
import { isMissing, readError, writeError } from './file-errors.ts';
import { syncFolder, type WrittenFile } from './file-sink.ts';
import { claimFolder, isClaim, namesIn, removeIfEmpty } from './folder-claim.ts';
import { hashFile } from './manifest.ts';

/** Counts changes of what is kept here; what another version left is begun anew. */
const VERSION = 2;
const LIST = 'finished.jsonl';
const MODEL = 'model';

export interface PartialFolder {
  /** Where the files go. */
  readonly folder: string;
  /** Files that an earlier process finished, with the size and hash that they still have. */
  readonly finished: ReadonlyMap<string, WrittenFile>;
  /** Notes a finished file; it must be on the disk. `FILE_EXISTS` as of `complete`. */
  finish(file: string, written: WrittenFile): Promise<void>;
  /**
   * Makes it the target, if `files` have the sizes they were written with, and those that were noted are the very same:
   * else `FILE_BROKEN`. `FILE_EXISTS` if the folder was given to another process meanwhile.
   */
  complete(files: Readonly<Record<string, WrittenFile>>): Promise<void>;
  /** Leaves what is finished for another process to go on with. */
  leave(): Promise<void>;
  /** Removes it with all that is in it. */
  discard(): Promise<void>;
}

/**
 * Opens `<target>.partial`. What a former process with an equal `identity` finished there is kept, anything else of a
 * former one is removed. `FILE_EXISTS` if the target is there, if another process is at work, on this machine or one that
 * shares the disk, or if the folder is not one of these.
 */
export async function openPartialFolder(target: string, identity: unknown): Promise<PartialFolder> {
  const goal = resolve(target);
  const root = `${goal}.partial`;
  const list = join(root, LIST);
  const folder = join(root, MODEL);
  await checkTarget(target);
  await checkNames(root);
  const claim = await claimFolder(root);
  /** Nothing of another process's that the folder was given to. */
  const remove = async (): Promise<void> => {
    if (await claim.held()) {
      for (const path of [folder, list]) await rm(path, { recursive: true, force: true });
    }
    await claim.release();
    await removeIfEmpty(root);
  };
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex');
  const inodes = new Map<string, bigint>();
  const inodeOf = async (file: string): Promise<bigint> =>
    (await stat(join(folder, file), { bigint: true })).ino;
  let finished = new Map<string, WrittenFile>();
  // the former owner may have completed it since we looked
  if (await exists(goal)) {
    await remove();
    throw targetExists(target);
  }
  try {
    const former = await readFormer(list);
    if (former?.identity === hash) finished = await stillThere(folder, former.finished);
    else for (const path of [folder, list]) await rm(path, { recursive: true, force: true });
    for (const file of finished.keys()) inodes.set(file, await inodeOf(file));
    const lines = [{ version: VERSION, identity: hash }, ...entries(finished)];
    await writeSynced(list, lines.map(line => `${JSON.stringify(line)}\n`).join(''));
    await mkdir(folder, { recursive: true });
  } catch (error) {
    await claim.release();
    await removeIfEmpty(root);
    throw writeError(error, root);
  }
  return {
    folder,
    finished,
    async finish(file, written) {
      try {
        if (!(await claim.held())) throw givenAway(root);
        inodes.set(file, await inodeOf(file));
        await appendFile(list, `${JSON.stringify({ file, ...written })}\n`, { flush: true });
      } catch (error) {
        throw writeError(error, list);
      }
    },
    async complete(files) {
      try {
        await syncFolder(folder);
        for (const [file, { size }] of Object.entries(files)) {
          const found = await stat(join(folder, file), { bigint: true });
          const same = found.ino === (inodes.get(file) ?? found.ino);
          if (!same || found.size !== BigInt(size)) throw changed(join(folder, file));
        }
        if (!(await claim.held())) throw givenAway(root);
        await rename(folder, goal);
        await syncFolder(dirname(goal));
        await remove();
      } catch (error) {
        throw writeError(error, target);
      }
    },
    leave: () => claim.release(),
    discard: remove,
  };
}

/** `FILE_EXISTS` if a conversion's target is there. What a process that died right after its rename left beside it goes. */
export async function checkTarget(target: string): Promise<void> {
  const goal = resolve(target);
  if (!(await exists(goal))) return;
  const root = `${goal}.partial`;
  const names = await namesIn(root);
  if (names.every(name => name === LIST || isClaim(name))) await tidyUp(root);
  throw targetExists(target);
}

async function tidyUp(root: string): Promise<void> {
  if (!(await exists(root))) return;
  const claim = await claimFolder(root).catch(() => undefined);
  if (claim === undefined) return; // who has it tidies up
  await rm(join(root, LIST), { force: true });
  await claim.release();
  await removeIfEmpty(root);
}

async function checkNames(root: string): Promise<void> {
  const names = await namesIn(root);
  if (names.every(name => name === LIST || name === MODEL || isClaim(name))) return;
  throw new SpectraError('FILE_EXISTS', {
    message: 'this folder, which would be used while writing, holds something else.',
    where: root,
    fix: 'Remove or rename it.',
  });
}

function targetExists(target: string): SpectraError {
  return new SpectraError('FILE_EXISTS', {
    message: 'the target exists already.',
    where: target,
    fix: 'Give another target, or remove that one first.',
  });
}

function changed(path: string): SpectraError {
  return new SpectraError('FILE_BROKEN', {
    message: 'it changed after it was finished.',
    where: path,
    fix: 'Call again while nothing else writes there.',
  });
}

function givenAway(root: string): SpectraError {
  return new SpectraError('FILE_EXISTS', {
    message: 'another process was given this folder meanwhile.',
    where: root,
    fix: 'Wait for it, or give another target.',
  });
}

interface Former {
  readonly identity: string;
  readonly finished: readonly ({ readonly file: string } & WrittenFile)[];
}

/** What another process left, which may have died between any two lines of this file; undefined if nothing. */
async function readFormer(list: string): Promise<Former | undefined> {
  const text = await readText(list);
  if (text === undefined) return undefined;
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
