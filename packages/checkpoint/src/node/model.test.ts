import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TensorSpec } from '../safetensors-writer.ts';
import { indexText } from '../sharded.ts';
import { openModel, writeModel } from './model.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectra-model-'));
});
afterEach(() => rm(folder, { recursive: true }));

const specs: TensorSpec[] = Array.from({ length: 5 }, (_, i) => ({
  name: `layers.${i}.weight`,
  dtype: i === 4 ? 'BF16' : 'F32',
  shape: [4, 2],
  data: () => Float32Array.from({ length: 8 }, (_, j) => 10 * i + j),
}));

async function contents(path: string): Promise<Record<string, number[]>> {
  const store = await openModel(path);
  const entries: [string, number[]][] = [];
  for (const name of store.names()) entries.push([name, [...(await store.read(name)).data]]);
  await store.close();
  return Object.fromEntries(entries);
}

describe('a model in a folder', () => {
  it('reads the same from one file and from shards', async () => {
    const single = await writeModel(folder, specs, { base: 'model' });
    expect(Object.keys(single)).toEqual(['model.safetensors']);
    const whole = await contents(folder);
    const written = await writeModel(folder, specs, { base: 'sharded', maxShardBytes: 64 });
    expect(Object.keys(written)).toEqual([
      'sharded-00001-of-00003.safetensors',
      'sharded-00002-of-00003.safetensors',
      'sharded-00003-of-00003.safetensors',
      'sharded.safetensors.index.json',
    ]);
    const index = JSON.parse(await readFile(join(folder, 'sharded.safetensors.index.json'), 'utf8'));
    expect(index.metadata.total_size).toBe(4 * 32 + 16);
    expect(await contents(join(folder, 'sharded.safetensors.index.json'))).toEqual(whole);
    expect(whole['layers.4.weight']).toEqual([40, 41, 42, 43, 44, 45, 46, 47]);
  });

  it('writes an index in pieces as in one', () => {
    const homes = Array.from(
      { length: 5000 },
      (_, i) => [`layers.${i}."w"`, `model-${i % 7}.safetensors`] as const,
    );
    for (const some of [homes, homes.slice(0, 1)]) {
      const index = { metadata: { total_size: 12, format: 'pt' }, weight_map: Object.fromEntries(some) };
      const pieces = [...indexText(index.metadata, some)];
      expect(pieces.join('')).toBe(`${JSON.stringify(index, null, 2)}\n`);
      expect(pieces.length).toBeGreaterThan(some.length > 1 ? 3 : 1);
    }
  });

  it('slices across shards', async () => {
    await writeModel(folder, specs, { maxShardBytes: 1 });
    const store = await openModel(folder);
    const { data, shape } = await store.read('layers.3.weight', { slice: [[1, 3]] });
    expect([shape, [...data]]).toEqual([
      [2, 2],
      [32, 33, 34, 35],
    ]);
    expect(() => store.entry('nowhere')).toThrow('no tensor "nowhere"');
    await store.close();
  });

  it('is never overwritten', async () => {
    await writeModel(folder, specs);
    await expect(writeModel(folder, specs)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });

  it('says what is missing or broken', async () => {
    await expect(openModel(folder)).rejects.toMatchObject({ code: 'CHECKPOINT_MISSING' });
    await expect(openModel(join(folder, 'x.safetensors'))).rejects.toMatchObject({ code: 'FILE_MISSING' });
    await writeModel(folder, specs, { maxShardBytes: 64 });
    const shard = 'model-00002-of-00003.safetensors';
    await truncate(join(folder, shard), 200);
    await expect(openModel(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
      message: expect.stringContaining(shard),
    });
    await rm(join(folder, shard));
    await expect(openModel(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
      message: expect.stringContaining(`the shard ${shard} is missing`),
    });
  });

  it.each([
    ['{', 'not JSON'],
    ['{}', 'no weight_map'],
    ['{"weight_map":{"w":"../secret.safetensors"}}', 'not a file name'],
    ['{"weight_map":{"w":3}}', 'not a file name'],
    ['{"weight_map":{"absent":"model.safetensors"}}', 'which lacks it'],
    ['{"weight_map":{"w":"model.safetensors","w":"model.safetensors"}}', 'names "w" twice'],
    ['{"weight_map":{"w":"model-9.safetensors"}}', 'the shard model-9.safetensors is missing'],
    ['{"weight_map":{"w":"/etc/passwd"}}', 'not a file name'],
    ['{"weight_map":{"w":"..\\\\x"}}', 'not a file name'],
    ['[]', 'no weight_map'],
  ])('refuses the index %s', async (index, message) => {
    await writeModel(folder, specs);
    await writeFile(join(folder, 'model.safetensors.index.json'), index);
    await expect(openModel(folder)).rejects.toMatchObject({
      code: 'CHECKPOINT_BROKEN',
      message: expect.stringContaining(message),
    });
  });

  it('does not take memory for what a file only claims', async () => {
    // sparse: hundreds of gigabytes that the disk does not hold
    const header = (bytes: number): Uint8Array => {
      const json = JSON.stringify({ w: { dtype: 'F32', shape: [bytes / 4], data_offsets: [0, bytes] } });
      const file = new Uint8Array(8 + json.length);
      new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
      file.set(new TextEncoder().encode(json), 8);
      return file;
    };
    const path = join(folder, 'model.safetensors');
    const bytes = 2 ** 38;
    await writeFile(path, header(bytes));
    await truncate(path, header(bytes).length + bytes);
    const store = await openModel(folder);
    await expect(store.read('w')).rejects.toMatchObject({
      code: 'VALUE',
      fix: expect.stringContaining('pieces'),
    });
    expect((await store.read('w', { slice: [[2 ** 35, 2 ** 35 + 3]] })).data).toEqual(new Float32Array(3));
    await store.close();
    await writeFile(join(folder, 'model.safetensors.index.json'), '{');
    await truncate(join(folder, 'model.safetensors.index.json'), 2 ** 33);
    await expect(openModel(folder)).rejects.toMatchObject({ code: 'CHECKPOINT_BROKEN' });
  });

  it('wants block sizes that make sense', async () => {
    await writeModel(folder, specs);
    await writeFile(join(folder, 'config.json'), '{"quantization_config":{"weight_block_size":[128,0]}}');
    await expect(openModel(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});
