import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { latestCheckpoint } from './checkpoint-reader.ts';
import { writeCheckpoint } from './checkpoint-writer.ts';

/** Bytes that the disk still takes. */
const disk = vi.hoisted(() => ({ room: Number.POSITIVE_INFINITY, code: 'ENOSPC' }));

vi.mock(import('node:fs/promises'), async original => {
  const real = await original();
  const open: typeof real.open = async (...args) => {
    const handle = await real.open(...args);
    const write = handle.write.bind(handle) as (
      bytes: Uint8Array,
      at: number,
      length: number,
    ) => Promise<unknown>;
    const limited = async (bytes: Uint8Array, at: number, length: number): Promise<unknown> => {
      const fits = Math.min(length, disk.room);
      if (fits === 0) throw Object.assign(new Error('write'), { code: disk.code });
      disk.room -= fits;
      return write(bytes, at, fits); // a short write first, as a disk that fills up does
    };
    Object.defineProperty(handle, 'write', { value: limited });
    return handle;
  };
  return { ...real, open };
});

it.each([
  ['ENOSPC', 'no space is left'],
  ['EDQUOT', 'quota is used up (EDQUOT)'],
  ['EROFS', 'read-only (EROFS)'],
  ['EACCES', 'this user may not write there (EACCES)'],
  ['EIO', 'the write failed (EIO)'],
])('%s is DISK_FULL and leaves the earlier checkpoint as the newest', async (code, message) => {
  const root = await mkdtemp(join(tmpdir(), 'spectra-disk-'));
  const save = (step: number): Promise<void> =>
    writeCheckpoint(join(root, `step-${step}`), writer => writer.bytes('data.bin', new Uint8Array(4096)));
  await save(1);
  Object.assign(disk, { room: 1000, code });
  await expect(save(2)).rejects.toMatchObject({
    code: 'DISK_FULL',
    message: expect.stringContaining(message),
    where: expect.stringContaining('data.bin'),
  });
  disk.room = Number.POSITIVE_INFINITY;
  expect(await readdir(root)).toEqual(['step-1']);
  expect((await latestCheckpoint(root)).step).toBe(1);
  await save(2);
  expect((await latestCheckpoint(root)).step).toBe(2);
  await rm(root, { recursive: true });
});
