/**
 * One process at a time in a folder, also among machines that share a disk. `owner/` holds one file, whose name says whose
 * it is. It comes there by the rename of a folder, which fails where another owner is, so that one of several that start
 * at once wins. An owner that died is removed by its own name, so that nobody removes one that came after it.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { codeOf, isMissing, readError, writeError } from './file-errors.ts';
import { isRunning } from './running.ts';

const OWNER = 'owner';
/** Windows says EPERM where a folder is in the way. */
const IN_THE_WAY = ['EEXIST', 'ENOTEMPTY', 'EPERM'];
/** Each further one means that somebody else's came and went meanwhile. */
const ATTEMPTS = 100;

/** Those of this process. */
const own = new Set<string>();

export interface FolderClaim {
  /** Whether it still is ours; a user may have removed it for another process to go on. */
  held(): Promise<boolean>;
  /** Gives the folder up. */
  release(): Promise<void>;
}

/** Whether a name in a folder belongs to the claims on it. */
export function isClaim(name: string): boolean {
  return name === OWNER || name.startsWith(`${OWNER}-`);
}

/** Claims the folder `root`, which is made if need be. `FILE_EXISTS` if another process has it. */
export async function claimFolder(root: string): Promise<FolderClaim> {
  const owner = join(root, OWNER);
  const name = `${process.pid}@${encodeURIComponent(hostname())}@${randomUUID()}`;
  const drawn = join(root, `${OWNER}-${name}`);
  own.add(name);
  try {
    await mkdir(drawn, { recursive: true });
    await writeFile(join(drawn, name), '');
    await moveIn(drawn, owner);
    await removeDead(root);
  } catch (error) {
    own.delete(name);
    await rm(drawn, { recursive: true, force: true });
    throw writeError(error, root);
  }
  return {
    held: () =>
      stat(join(owner, name)).then(
        () => true,
        () => false,
      ),
    async release() {
      own.delete(name);
      await rm(join(owner, name), { force: true });
      await removeIfEmpty(owner);
    },
  };
}

/** Removes an empty folder; leaves any other. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(error => {
    if (!isMissing(error) && !IN_THE_WAY.includes(codeOf(error) ?? '')) throw error;
  });
}

async function moveIn(drawn: string, owner: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await rename(drawn, owner);
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || !IN_THE_WAY.includes(codeOf(error) ?? '')) throw error;
    }
    for (const name of await namesIn(owner)) {
      const alive = ownerAlive(name);
      if (alive !== 'no') throw taken(name, alive, owner);
      await rm(join(owner, name), { force: true });
    }
    await removeIfEmpty(owner);
  }
}

/** Removes what processes that died while they claimed the folder left in it. */
async function removeDead(root: string): Promise<void> {
  for (const name of await namesIn(root)) {
    if (!name.startsWith(`${OWNER}-`) || ownerAlive(name.slice(OWNER.length + 1)) !== 'no') continue;
    await rm(join(root, name), { recursive: true, force: true });
  }
}

/** Of a process on another host nothing is known. */
function ownerAlive(name: string): 'yes' | 'no' | 'unknown' {
  const [pid = '', host = ''] = name.split('@');
  if (host !== encodeURIComponent(hostname())) return 'unknown';
  // an earlier process may have had our own number
  const running = Number(pid) === process.pid ? own.has(name) : isRunning(Number(pid));
  return running ? 'yes' : 'no';
}

function taken(name: string, alive: 'yes' | 'unknown', owner: string): SpectraError {
  const [pid = '', host = ''] = name.split('@');
  const remove = `remove ${owner} and call again, which goes on with what is finished`;
  return new SpectraError('FILE_EXISTS', {
    message:
      alive === 'yes'
        ? `process ${pid} is writing it.`
        : `process ${pid} of the machine ${host} is writing it, or was when it ended.`,
    where: owner,
    fix:
      alive === 'yes'
        ? `Wait for it, or give another target; if that process is another program that was given its number, ${remove}.`
        : `Wait for it, or give another target; if it runs no more, ${remove}.`,
  });
}

/** What is in a folder; nothing where there is none. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw readError(error, folder);
  }
}
