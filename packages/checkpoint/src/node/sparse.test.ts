import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  SPARSE_MODELS,
  type SparseModelName,
  writeSparseCheckpoint,
} from '../../../../tools/fixtures/sparse-checkpoint.ts';
import { openModel } from './model.ts';

it.each([
  // tensors as the published index counts them, and terabytes
  ['deepseek-v3', 91_991, 0.6886],
  ['kimi-k2', 139_644, 1.0292],
  ['gpt-oss-120b', 687, 0.0652],
] as const)('%s opens in seconds, and reads a slice, whatever its size', async (name, count, terabytes) => {
  const folder = await mkdtemp(join(tmpdir(), 'spectra-sparse-'));
  try {
    const model = SPARSE_MODELS[name satisfies SparseModelName]();
    const written = await writeSparseCheckpoint(folder, model);
    expect(written.tensors).toBe(count);
    expect(written.bytes / 1e12).toBeCloseTo(terabytes, 3);
    const first = `model-00001-of-${String(written.shards).padStart(5, '0')}.safetensors`;
    const onDisk = (await stat(join(folder, first))).blocks * 512;
    expect(onDisk).toBeLessThan(2e6);
    const started = performance.now();
    const store = await openModel(folder);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(store.stored.names()).toHaveLength(count);
    const [quantised] = store.names().filter(tensor => store.storage(tensor).kind !== 'plain');
    const { shape } = store.entry(quantised!);
    const { data } = await store.read(quantised!, {
      slice: shape.map(size => [Math.max(0, size - 2), size] as const),
    });
    expect(data).toEqual(new Float32Array(2 ** shape.length));
    await store.close();
  } finally {
    await rm(folder, { recursive: true });
  }
});
