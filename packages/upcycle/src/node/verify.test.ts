import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { noLeaks, testBackend, workspaceRoot } from '@spectra/testing';
import { routerConfigSchema } from '@spectra/transformer';
import { loadModel } from '@spectra/transformer/node';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { upcycleFolder } from './upcycle-folder.ts';
import { type VerifyInput, verifyModels } from './verify.ts';

beforeAll(testBackend);
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'verify-'));
});
afterAll(() => rm(folder, { recursive: true }));
const fixture = (name: string): string => join(workspaceRoot(), 'fixtures', 'hf', name);

/** The logits of the tokens, by the model itself: largest minus smallest. */
async function rangeOf(name: string, ids: number[][], { mask, positions }: VerifyInput): Promise<number> {
  const model = await loadModel(fixture(name));
  const { logits } = model.forward({
    inputIds: tf.tensor2d(ids, undefined, 'int32'),
    mask: mask && tf.tensor2d(mask as number[][]),
    positions: positions && tf.tensor2d(positions as number[][], undefined, 'int32'),
  });
  const rows = (await logits.array()).flat().filter((_, i) => mask?.flat()[i] !== 0);
  return Math.max(...rows.flat()) - Math.min(...rows.flat());
}

describe('verifyModels', () => {
  it('runs the models with padding, and compares the tokens alone', async () => {
    const from = fixture('llama');
    const { padded } = JSON.parse(await readFile(join(from, 'inputs.json'), 'utf8'));
    // the row with padding
    const [ids, mask] = [[padded.input_ids[1]], [padded.attention_mask[1]]];
    expect(mask[0]).toContain(0);
    const to = join(folder, 'sparse');
    const router = routerConfigSchema.parse({ kind: 'spectra', router_dim: 4, state_size: 6 });
    await upcycleFolder(from, to, { mode: 'copy', experts: 4, router });
    await noLeaks(async () => {
      const { difference, range, layers } = await verifyModels(from, to, ids, { mask });
      expect(difference / range).toBeLessThanOrEqual(1e-5);
      expect(Math.max(...layers)).toBeLessThan(1e-4);
    });
    const { range } = await verifyModels(from, to, ids, { mask });
    expect(range).toBeCloseTo(await rangeOf('llama', ids, { mask }), 5);
    expect((await verifyModels(from, to, ids)).range).not.toBeCloseTo(range, 3);
  });

  it('runs the models at the positions', async () => {
    const from = fixture('gpt2');
    const ids = [[5, 6, 7, 8]];
    const positions = [[3, 9, 1, 20]];
    const { range } = await verifyModels(from, from, ids, { positions });
    expect(range).toBeCloseTo(await rangeOf('gpt2', ids, { positions }), 5);
    expect((await verifyModels(from, from, ids)).range).not.toBeCloseTo(range, 3);
  });

  it.each([
    [[[1, 100_000, 5]], {}, 'it holds 100000'],
    [[[1, -1, 5]], {}, 'it holds -1'],
    [[[1, 2.5, 5]], {}, 'it holds 2.5'],
    [[[1, 2], [3]], {}, 'expected 2 rows of 2'],
    [[], {}, 'at least one row'],
    [[[]], {}, 'at least one row'],
    [[[1, 2]], { mask: [[1]] }, 'expected 1 rows of 2'],
    [[[1, 2]], { mask: [[1, 2]] }, 'it holds 2'],
    [[[1, 2]], { mask: [[0, 0]] }, 'all is padding'],
    [[[1, 2]], { positions: [[1, 1e9]] }, 'it holds 1000000000'],
  ] as [number[][], VerifyInput, string][])('refuses %j with %j', async (ids, input, message) => {
    await expect(verifyModels(fixture('llama'), fixture('llama'), ids, input)).rejects.toMatchObject({
      code: 'VALUE',
      message: expect.stringContaining(message),
    });
  });

  it('refuses what the second model alone does not have, and other layers', async () => {
    const to = join(folder, 'smaller');
    await cp(fixture('llama'), to, { recursive: true });
    const config = JSON.parse(await readFile(join(to, 'config.json'), 'utf8'));
    const write = (more: object): Promise<void> =>
      writeFile(join(to, 'config.json'), JSON.stringify({ ...config, ...more }));
    await write({ vocab_size: 100 });
    await expect(verifyModels(fixture('llama'), to, [[1, 200]])).rejects.toMatchObject({
      code: 'VALUE',
      message: expect.stringContaining('below 100'),
    });
    await write({ num_hidden_layers: 1 });
    await expect(verifyModels(fixture('llama'), to, [[1, 2]])).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
    });
  });
});
