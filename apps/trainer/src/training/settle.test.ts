/** Steps after the last one of the optimizer, in which the routers' averages come to rest. */
import { rmSync } from 'node:fs';
import { openModel } from '@spectra/checkpoint/node';
import { afterAll, describe, expect, it } from 'vitest';
import type { TrainerConfig } from '../config/schema.ts';
import { BYTES, fileOf, ShortRuns } from '../testing/short-run.ts';

const runs = new ShortRuns();
afterAll(() => runs.remove());

const shape =
  'model={vocab_size: 256, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, moe: {experts: 8}}';
const config = (name: string, ...more: string[]): TrainerConfig =>
  runs.config(name, '', shape, BYTES, 'train.eval_tokens=1024', 'data.length=64', ...more);

async function tensors(folder: string): Promise<Map<string, ArrayLike<number>>> {
  const store = await openModel(folder);
  const found = new Map<string, ArrayLike<number>>();
  for (const name of store.names()) found.set(name, (await store.read(name)).data);
  await store.close();
  return found;
}

describe('settling', () => {
  it('moves prices, not weights, until held-out text is in balance', async () => {
    const trained = await runs.train(config('trained'));
    const settled = await runs.train(config('settled', 'train.settle_steps=60'));
    expect(settled.losses.slice(0, 6)).toEqual(trained.losses);
    expect(settled.losses).toHaveLength(66);
    const [before, after] = [await tensors(trained.checkpoint), await tensors(settled.checkpoint)];
    for (const [name, values] of before) {
      if (name.includes('.router.state.')) continue;
      expect(after.get(name), name).toEqual(values);
    }
    const prices = [...before].filter(([name]) => name.endsWith('.state.price_average'));
    expect(prices).toHaveLength(2);
    for (const [name, values] of prices) expect(after.get(name), name).not.toEqual(values);
    expect(settled.causalCv!).toBeLessThan(0.5 * trained.causalCv!);
    expect(fileOf(settled.checkpoint, 'optimizer.safetensors')).toEqual(
      fileOf(trained.checkpoint, 'optimizer.safetensors'),
    );
  });

  it('has nothing to do in a model without routers', async () => {
    const dense = shape.replace('moe: {experts: 8}', 'intermediate_size: 32');
    const { losses } = await runs.train(config('dense', dense, 'train.settle_steps=5'));
    expect(losses).toHaveLength(6);
  });

  it('that stops and goes on is the one that did not', async () => {
    const more = ['train.settle_steps=4', 'train.checkpoint_every=4'];
    const straight = await runs.train(config('straight', ...more));
    const broken = await runs.train(config('broken', ...more));
    rmSync(broken.checkpoint, { recursive: true }); // that of step 8 is left
    const resumed = await runs.train(config('broken', ...more), true);
    expect(resumed.checkpoint).toBe(broken.checkpoint);
    expect(resumed.losses).toEqual(straight.losses);
    expect(fileOf(resumed.checkpoint, 'model.safetensors')).toEqual(
      fileOf(straight.checkpoint, 'model.safetensors'),
    );
  });
});
