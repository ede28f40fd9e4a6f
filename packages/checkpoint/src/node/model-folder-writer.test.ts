import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StreamedSpec } from '../safetensors-writer.ts';
import { openModel } from './model.ts';
import { type ModelFolderPlan, writeModelFolder } from './model-folder-writer.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'spectra-folder-'));
});
afterEach(() => rm(root, { recursive: true }));
const at = (name: string): string => join(root, name);

const made: string[] = [];
const spec = (name: string, value: number): StreamedSpec => ({
  name,
  dtype: 'U8',
  shape: [4000],
  bytes: async function* () {
    made.push(name);
    yield new Uint8Array(1000).fill(value);
    yield new Uint8Array(3000).fill(value);
  },
});
const shard = (i: number) => ({ file: `model-${i}.safetensors`, specs: [spec(`t${i}`, i)] });
const plan: ModelFolderPlan = {
  identity: ['test'],
  shards: [1, 2, 3].map(shard),
  texts: {
    'model.safetensors.index.json': JSON.stringify({
      weight_map: Object.fromEntries([1, 2, 3].map(i => [`t${i}`, `model-${i}.safetensors`])),
    }),
  },
};
const check = async (folder: string): Promise<void> => {
  const store = await openModel(folder);
  for (const i of [1, 2, 3]) expect((await store.read(`t${i}`)).data).toEqual(new Uint8Array(4000).fill(i));
  await store.close();
};

describe('a model folder', () => {
  it('appears whole, with its texts, copies and links', async () => {
    await writeFile(at('tokenizer.json'), '{}');
    await writeFile(at('big.bin'), 'weights');
    const written = await writeModelFolder(at('model'), {
      ...plan,
      copies: { 'tokenizer.json': at('tokenizer.json') },
      links: { 'old.safetensors': at('big.bin') },
    });
    await check(at('model'));
    expect(Object.keys(written)).toEqual([
      'model-1.safetensors',
      'model-2.safetensors',
      'model-3.safetensors',
      'model.safetensors.index.json',
    ]);
    expect((await stat(at('model/old.safetensors'))).ino).toBe((await stat(at('big.bin'))).ino);
    expect((await stat(at('model/tokenizer.json'))).ino).not.toBe((await stat(at('tokenizer.json'))).ino);
    expect((await readdir(root)).sort()).toEqual(['big.bin', 'model', 'tokenizer.json']);
    await expect(writeModelFolder(at('model'), plan)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });

  it('is not there after an error; what was finished is if one asks for it', async () => {
    const failing: ModelFolderPlan = {
      ...plan,
      shards: [
        shard(1),
        shard(2),
        { file: 'model-3.safetensors', specs: [{ ...spec('t3', 3), shape: [3999] }] },
      ],
    };
    await expect(writeModelFolder(at('model'), failing)).rejects.toMatchObject({ code: 'SHAPE' });
    expect(await readdir(root)).toEqual([]);
    await expect(writeModelFolder(at('model'), failing, { keepOnError: true })).rejects.toMatchObject({
      code: 'SHAPE',
    });
    expect(await readdir(root)).toEqual(['model.partial']);
    made.length = 0;
    const seen: string[] = [];
    await writeModelFolder(at('model'), plan, { onShard: file => seen.push(file) });
    expect(made).toEqual(['t3']);
    expect(seen).toHaveLength(3);
    await check(at('model'));
    expect(await readdir(root)).toEqual(['model']);
  });

  it('is begun anew for another plan, and a finished file that changed is written again', async () => {
    const broken = { ...plan, copies: { x: at('absent') } };
    const start = async (): Promise<void> => {
      await expect(writeModelFolder(at('model'), broken, { keepOnError: true })).rejects.toMatchObject({
        code: 'FILE_MISSING',
      });
      made.length = 0;
    };
    const whole = { ...plan, copies: { x: at('x') } };
    await writeFile(at('x'), '');
    await start();
    await writeFile(at('model.partial/model/model-2.safetensors'), 'changed');
    await writeModelFolder(at('model'), whole);
    expect(made).toEqual(['t2']);
    await check(at('model'));
    await rm(at('model'), { recursive: true });
    await start();
    await writeModelFolder(at('model'), { ...whole, identity: 'other' });
    expect(made).toEqual(['t1', 't2', 't3']);
  });

  it('copies files that may only be read', async () => {
    await writeFile(at('tokenizer.json'), '{"a": 1}', { mode: 0o444 });
    await writeModelFolder(at('model'), { ...plan, copies: { 'tokenizer.json': at('tokenizer.json') } });
    expect(await readFile(at('model/tokenizer.json'), 'utf8')).toBe('{"a": 1}');
    // root may open what it likes: the mode tells what others may
    expect((await stat(at('model/tokenizer.json'))).mode & 0o200).toBe(0o200);
    const absent = { ...plan, copies: { x: at('absent') } };
    await expect(writeModelFolder(at('other'), absent)).rejects.toMatchObject({
      code: 'FILE_MISSING',
      where: at('absent'),
    });
  });

  it('is written by one of several calls at once', async () => {
    const calls = await Promise.allSettled([1, 2, 3].map(() => writeModelFolder(at('model'), plan)));
    expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const call of calls) {
      if (call.status === 'rejected') expect(call.reason).toMatchObject({ code: 'FILE_EXISTS' });
    }
    await check(at('model'));
    expect(await readdir(root)).toEqual(['model']);
  });

  it('takes plain, unused file names only', async () => {
    await expect(writeModelFolder(at('m'), { ...plan, texts: { '../x': '' } })).rejects.toMatchObject({
      code: 'VALUE',
    });
    await expect(
      writeModelFolder(at('m'), { ...plan, texts: { 'model-1.safetensors': '' } }),
    ).rejects.toMatchObject({ code: 'VALUE' });
  });
});

describe('a process killed while it writes a model folder', () => {
  const script = (pause: string): string => `
    import { writeModelFolder } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, 'model-folder-writer.ts')))};
    const slow = async where => {
      console.log(where);
      if (where === ${JSON.stringify(pause)}) await new Promise(resolve => setTimeout(resolve, 60000));
    };
    const spec = i => ({
      name: 't' + i, dtype: 'U8', shape: [4000],
      bytes: async function* () {
        yield new Uint8Array(1000).fill(i); await slow('in ' + i); yield new Uint8Array(3000).fill(i);
      },
    });
    await writeModelFolder(${JSON.stringify(at('model'))}, {
      identity: ['test'],
      shards: [1, 2, 3].map(i => ({ file: 'model-' + i + '.safetensors', specs: [spec(i)] })),
      texts: ${JSON.stringify(plan.texts)},
    });`;

  it.each([
    ['in 1', ['t1', 't2', 't3']],
    ['in 3', ['t3']],
  ])('(%s) leaves no target, and is followed by one that goes on', async (pause, remaining) => {
    const child = spawn(
      process.execPath,
      ['--conditions=@spectra/source', '--input-type=module', '-e', script(pause)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise<string | null>(resolve => child.on('exit', (_, signal) => resolve(signal)));
    for await (const chunk of child.stdout) if (String(chunk).split('\n').includes(pause)) break;
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect(await readdir(root)).toEqual(['model.partial']);
    made.length = 0;
    await writeModelFolder(at('model'), plan);
    expect(made).toEqual(remaining);
    await check(at('model'));
    expect(await readdir(root)).toEqual(['model']);
  });
});
