import { cp, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openModel } from './model.ts';
import { sourceIdentity } from './source-identity.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectra-identity-'));
});
afterEach(() => rm(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

async function identity(...companions: string[]): ReturnType<typeof sourceIdentity> {
  const store = await openModel(folder);
  try {
    return await sourceIdentity(folder, store, Object.fromEntries(companions.map(name => [name, at(name)])));
  } finally {
    await store.close();
  }
}

it('is of the files that are read, whatever else lies there', async () => {
  await cp(join(workspaceRoot(), 'fixtures', 'hf', 'qwen3_moe'), folder, { recursive: true });
  await writeFile(at('tokenizer.json'), '{}');
  const before = await identity('tokenizer.json');
  expect(before.map(([name]) => name)).toEqual([
    'config.json',
    'model-00001-of-00003.safetensors',
    'model-00002-of-00003.safetensors',
    'model-00003-of-00003.safetensors',
    'model.safetensors.index.json',
    'tokenizer.json',
  ]);
  await writeFile(at('notes.txt'), 'of mine');
  await symlink(at('nowhere'), at('dangling'));
  expect(await identity('tokenizer.json')).toEqual(before);
  for (const [name] of before) {
    const last = await identity('tokenizer.json');
    await utimes(at(name), 1, 1);
    expect(await identity('tokenizer.json'), name).not.toEqual(last);
  }
});

it('needs no index beside a single file, but all that it names', async () => {
  await cp(join(workspaceRoot(), 'fixtures', 'hf', 'llama'), folder, { recursive: true });
  expect((await identity()).map(([name]) => name)).toEqual(['config.json', 'model.safetensors']);
  await symlink(at('nowhere'), at('tokenizer.json'));
  await expect(identity('tokenizer.json')).rejects.toMatchObject({
    code: 'FILE_MISSING',
    where: at('tokenizer.json'),
  });
});
