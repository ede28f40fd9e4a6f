import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { claimFolder, type FolderClaim } from './folder-claim.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'spectra-claim-'));
});
afterEach(() => rm(root, { recursive: true }));

/** Leaves the claim of another process. */
async function claimOf(pid: number, host: string): Promise<void> {
  await mkdir(join(root, 'owner'), { recursive: true });
  await writeFile(join(root, 'owner', `${pid}@${host}@0`), '');
}
const deadPid = (): number => spawnSync(process.execPath, ['--version']).pid;

it('is given to one of several at a time, also where a dead process left its own', async () => {
  const dead = deadPid();
  for (let round = 0; round < 20; round++) {
    if (round % 2 === 1) await claimOf(dead, hostname());
    const claims = await Promise.allSettled(Array.from({ length: 8 }, () => claimFolder(root)));
    const won = claims.flatMap(claim => (claim.status === 'fulfilled' ? [claim.value] : []));
    expect(won).toHaveLength(1);
    for (const claim of claims) {
      if (claim.status === 'rejected') expect(claim.reason).toMatchObject({ code: 'FILE_EXISTS' });
    }
    expect(await won[0]!.held()).toBe(true);
    await won[0]!.release();
    expect(await readdir(root)).toEqual([]);
  }
});

it('is not taken from a process of another machine, and says what to do', async () => {
  await claimOf(process.pid, 'other-machine');
  await expect(claimFolder(root)).rejects.toMatchObject({
    code: 'FILE_EXISTS',
    message: expect.stringContaining(`process ${process.pid} of the machine other-machine`),
    fix: expect.stringContaining(`remove ${join(root, 'owner')}`),
  });
  await rm(join(root, 'owner'), { recursive: true });
  const claim = await claimFolder(root);
  await claim.release();
});

it('is not taken from a running process, but from an earlier one of our own number', async () => {
  await claimOf(process.ppid, hostname());
  await expect(claimFolder(root)).rejects.toMatchObject({
    code: 'FILE_EXISTS',
    message: expect.stringContaining(`process ${process.ppid} is writing`),
  });
  await rm(join(root, 'owner'), { recursive: true });
  await claimOf(process.pid, hostname());
  const claim = await claimFolder(root);
  await expect(claimFolder(root)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  await claim.release();
});

it('removes what a process left that died while it claimed the folder', async () => {
  await mkdir(join(root, `owner-${deadPid()}@${hostname()}@0`));
  await mkdir(join(root, 'owner-1@other-machine@0'));
  const claim = await claimFolder(root);
  expect((await readdir(root)).sort()).toEqual(['owner', 'owner-1@other-machine@0']);
  await claim.release();
});

it('is no longer held once it was removed, and leaves the one that came after it', async () => {
  const first: FolderClaim = await claimFolder(root);
  await rm(join(root, 'owner'), { recursive: true });
  const second = await claimFolder(root);
  expect(await first.held()).toBe(false);
  await first.release();
  expect(await second.held()).toBe(true);
  await second.release();
});
