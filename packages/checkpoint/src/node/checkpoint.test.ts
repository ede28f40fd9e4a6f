import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkpointName, latestCheckpoint, listCheckpoints, openCheckpoint } from './checkpoint-reader.ts';
import { writeCheckpoint } from './checkpoint-writer.ts';
import { pruneCheckpoints } from './retention.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'spectra-checkpoint-'));
});
afterEach(() => rm(root, { recursive: true }));

const at = (step: number): string => join(root, checkpointName(step));

async function save(step: number, options: { maxShardBytes?: number } = {}): Promise<void> {
  await writeCheckpoint(at(step), async writer => {
    const values = Float32Array.from({ length: 64 }, (_, i) => step + i);
    const spec = (name: string) => ({ name, dtype: 'F32', shape: [64], data: () => values }) as const;
    await writer.tensors('model', [spec('a'), spec('b')], options);
    await writer.json('trainer.json', { step, cursor: [1, 2, 3] });
    await writer.bytes('note.txt', 'hello');
  });
}

describe('a checkpoint', () => {
  it('comes back whole', async () => {
    await save(10);
    await save(20, { maxShardBytes: 256 });
    for (const step of [10, 20]) {
      const checkpoint = await openCheckpoint(at(step));
      expect(await checkpoint.json('trainer.json')).toEqual({ step, cursor: [1, 2, 3] });
      expect(new TextDecoder().decode(await checkpoint.bytes('note.txt'))).toBe('hello');
      const store = await checkpoint.tensors('model');
      expect((await store.read('b')).data[1]).toBe(step + 1);
      await store.close();
      await expect(checkpoint.tensors('optimizer')).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
      await expect(checkpoint.json('absent.json')).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    }
    expect((await readdir(at(10))).sort()).toEqual([
      'DONE',
      'manifest.json',
      'model.safetensors',
      'note.txt',
      'trainer.json',
    ]);
    expect(await readdir(root)).toHaveLength(2);
  });

  it('that is complete is not replaced; an incomplete one is', async () => {
    await save(1);
    await expect(save(1)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    await rm(join(at(1), 'DONE'));
    await save(1);
    await expect(openCheckpoint(at(1))).resolves.toBeDefined();
  });

  it('leaves nothing behind when its writer throws', async () => {
    const failing = writeCheckpoint(at(1), async writer => {
      await writer.json('a.json', {});
      throw new Error('no more');
    });
    await expect(failing).rejects.toThrow('no more');
    expect(await readdir(root)).toEqual([]);
  });

  it('takes only plain, unused file names', async () => {
    for (const name of ['DONE', 'manifest.json', '../x', '']) {
      const writing = writeCheckpoint(at(1), writer => writer.json(name, 1));
      await expect(writing, name).rejects.toMatchObject({ code: 'VALUE' });
    }
    const twice = writeCheckpoint(at(1), async writer => {
      await writer.json('a', 1);
      await writer.json('a', 2);
    });
    await expect(twice).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });

  it.each([
    ['DONE is missing', (path: string) => rm(join(path, 'DONE')), 'no DONE marker'],
    [
      'the manifest is missing',
      (path: string) => rm(join(path, 'manifest.json')),
      'manifest.json is missing',
    ],
    ['the manifest changed', (path: string) => writeFile(join(path, 'manifest.json'), '{}'), 'not the one'],
    ['a file is missing', (path: string) => rm(join(path, 'note.txt')), 'file is missing'],
    [
      'a file is longer',
      (path: string) => writeFile(join(path, 'note.txt'), 'hello!'),
      '6 bytes instead of 5',
    ],
    ['a byte changed', (path: string) => writeFile(join(path, 'note.txt'), 'hellO'), 'sha256'],
  ])('in which %s is broken and passed over', async (_, harm, message) => {
    await save(5);
    await save(30);
    await harm(at(30));
    await expect(openCheckpoint(at(30))).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
      message: expect.stringContaining(message),
    });
    const { step, skipped } = await latestCheckpoint(root);
    expect([step, skipped.map(found => found.step)]).toEqual([5, [30]]);
    await rm(at(5), { recursive: true });
    await expect(latestCheckpoint(root)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISSING',
      message: expect.stringContaining(message),
    });
  });

  it('with a changed byte passes a check of sizes', async () => {
    await save(1);
    await writeFile(join(at(1), 'note.txt'), 'hellO');
    await expect(openCheckpoint(at(1), { verify: 'size' })).resolves.toBeDefined();
  });

  it('that is not there is missing', async () => {
    await expect(openCheckpoint(at(1))).rejects.toMatchObject({ code: 'CHECKPOINT_MISSING' });
    await expect(latestCheckpoint(join(root, 'none'))).rejects.toMatchObject({ code: 'CHECKPOINT_MISSING' });
    expect(await listCheckpoints(join(root, 'none'))).toEqual([]);
  });
});

describe('retention', () => {
  it('keeps the newest whole ones and the protected', async () => {
    for (const step of [1, 2, 3, 10, 20]) await save(step);
    await rm(join(at(20), 'DONE'));
    await mkdir(join(root, '.tmp-elsewhere-1-0-step-9'));
    expect(await pruneCheckpoints(root, 2, { protect: step => step === 1 })).toEqual([2]);
    expect((await readdir(root)).sort()).toEqual([
      '.tmp-elsewhere-1-0-step-9',
      'step-1',
      'step-10',
      'step-20',
      'step-3',
    ]);
    await expect(pruneCheckpoints(root, 0)).rejects.toMatchObject({ code: 'VALUE' });
  });
});

it('what an earlier process of the same number left is no hindrance, and is removed', async () => {
  const left = join(root, `.tmp-${hostname()}-${process.pid}-0-step-1`);
  const ours = join(root, `.tmp-${hostname()}-${process.pid}-1-step-2`);
  for (const folder of [left, ours]) await mkdir(folder, { recursive: true });
  await utimes(left, 1, 1);
  await save(1);
  await pruneCheckpoints(root, 1);
  expect((await readdir(root)).sort()).toEqual([basename(ours), 'step-1']);
});

describe('a process killed while it writes', () => {
  /** Writes step 2 slowly, in plain Node, and tells on stdout how far it is. */
  const script = (folder: string, pause: string): string => `
    import { writeCheckpoint } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'checkpoint-writer.ts')))};
    const slow = async where => {
      console.log(where);
      if (where === ${JSON.stringify(pause)}) await new Promise(resolve => setTimeout(resolve, 60000));
    };
    await writeCheckpoint(${JSON.stringify(folder)}, async writer => {
      await slow('begun');
      const spec = name => ({
        name, dtype: 'F32', shape: [1 << 20],
        data: async () => { await slow(name); return new Float32Array(1 << 20); },
      });
      await writer.tensors('model', [spec('a'), spec('b')]);
      await writer.json('trainer.json', { step: 2 });
      await slow('filled');
    });
    console.log('finished');`;

  async function killAt(pause: string): Promise<void> {
    const child = spawn(
      process.execPath,
      ['--conditions=@spectra/source', '--input-type=module', '-e', script(at(2), pause)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise<string | null>(resolve => child.on('exit', (_, signal) => resolve(signal)));
    for await (const chunk of child.stdout) if (String(chunk).split('\n').includes(pause)) break;
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
  }

  it.each(['begun', 'b', 'filled'])('(at "%s") harms nothing', async pause => {
    await save(1);
    const before = await readFile(join(at(1), 'model.safetensors'));
    await killAt(pause);
    const left = await readdir(root);
    expect(left).toHaveLength(2);
    expect(left.find(name => name !== 'step-1')).toMatch(/^\.tmp-/);
    const { step, checkpoint, skipped } = await latestCheckpoint(root);
    expect([step, skipped]).toEqual([1, []]);
    expect(await readFile(join(checkpoint.folder, 'model.safetensors'))).toEqual(before);
    // the next run writes the same step and clears what the dead process left
    await save(2);
    await pruneCheckpoints(root, 5);
    expect((await readdir(root)).sort()).toEqual(['step-1', 'step-2']);
  });

  it('is not confused with a copy that lost its marker', async () => {
    await save(1);
    await cp(at(1), at(2), { recursive: true, filter: path => !path.endsWith('DONE') });
    expect((await latestCheckpoint(root)).step).toBe(1);
    expect((await stat(at(2))).isDirectory()).toBe(true);
  });
});
