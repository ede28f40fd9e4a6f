import { mkdir, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeFileDurably } from './file-sink.ts';
import { checkTarget, openPartialFolder, type PartialFolder } from './partial-folder.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'spectra-partial-'));
});
afterEach(() => rm(root, { recursive: true }));
const at = (name: string): string => join(root, name);

async function write(
  { folder, finish }: PartialFolder,
  file: string,
): Promise<{ size: number; sha256: string }> {
  const written = await writeFileDurably(join(folder, file), sink => sink.write(new Uint8Array(100)));
  await finish(file, written);
  return written;
}

it.each([
  ['is shorter', (path: string) => truncate(path, 50)],
  [
    'is another one of its size',
    async (path: string) => {
      await writeFile(`${path}.new`, new Uint8Array(100));
      await rename(`${path}.new`, path);
    },
  ],
])('is not completed where a finished file %s', async (_, change) => {
  const partial = await openPartialFolder(at('model'), 1);
  const written = await write(partial, 'a');
  await change(join(partial.folder, 'a'));
  await expect(partial.complete({ a: written })).rejects.toMatchObject({
    code: 'FILE_BROKEN',
    where: join(partial.folder, 'a'),
  });
  await partial.discard();
  expect(await readdir(root)).toEqual([]);
});

it('is not touched any more once another process was given it', async () => {
  const first = await openPartialFolder(at('model'), 1);
  const a = await write(first, 'a');
  await rm(at('model.partial/owner'), { recursive: true });
  const second = await openPartialFolder(at('model'), 1);
  expect([...second.finished.keys()]).toEqual(['a']);
  const given = { code: 'FILE_EXISTS', message: expect.stringContaining('another process') };
  await expect(first.finish('b', a)).rejects.toMatchObject(given);
  await expect(first.complete({ a })).rejects.toMatchObject(given);
  await first.discard();
  const b = await write(second, 'b');
  await second.complete({ a, b });
  expect((await readdir(at('model'))).sort()).toEqual(['a', 'b']);
  expect(await readdir(root)).toEqual(['model']);
});

it('is for one of several that start at once', async () => {
  const starts = await Promise.allSettled(Array.from({ length: 6 }, () => openPartialFolder(at('model'), 1)));
  const opened = starts.flatMap(start => (start.status === 'fulfilled' ? [start.value] : []));
  expect(opened).toHaveLength(1);
  await opened[0]!.complete({ a: await write(opened[0]!, 'a') });
  await expect(openPartialFolder(at('model'), 1)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  expect(await readdir(root)).toEqual(['model']);
});

it('goes where a process died right after the rename, once somebody asks for the target', async () => {
  await mkdir(at('model'));
  await mkdir(at('model.partial/owner'), { recursive: true });
  await writeFile(at('model.partial/finished.jsonl'), '');
  await writeFile(at(`model.partial/owner/${process.pid}@${hostname()}@0`), '');
  await expect(checkTarget(at('model'))).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  expect(await readdir(root)).toEqual(['model']);
  await checkTarget(at('other'));
});

it('is refused, and left as it is, where it belongs to somebody else or to a process of another machine', async () => {
  await mkdir(at('model.partial'));
  await writeFile(at('model.partial/notes.txt'), 'mine');
  await expect(openPartialFolder(at('model'), 1)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  expect(await readdir(at('model.partial'))).toEqual(['notes.txt']);
  await rm(at('model.partial/notes.txt'));
  await mkdir(at('model.partial/owner'));
  await writeFile(at('model.partial/owner/7@other-machine@0'), '');
  await mkdir(at('model.partial/model'));
  await writeFile(at('model.partial/model/a'), 'half');
  await expect(openPartialFolder(at('model'), 2)).rejects.toMatchObject({
    code: 'FILE_EXISTS',
    message: expect.stringContaining('other-machine'),
  });
  expect(await readFile(at('model.partial/model/a'), 'utf8')).toBe('half');
});
