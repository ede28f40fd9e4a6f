/** The optimizer's last steps under the rule that decodes. */
import { rmSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { TrainerConfig } from '../config/schema.ts';
import { BYTES, fileOf, ShortRuns } from '../testing/short-run.ts';

const runs = new ShortRuns();
afterAll(() => runs.remove());

const shape =
  'model={vocab_size: 256, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, moe: {experts: 8}}';
const config = (name: string, ...more: string[]): TrainerConfig =>
  runs.config(name, '', shape, BYTES, 'data.length=64', ...more);
const weights = (checkpoint: string): Buffer => fileOf(checkpoint, 'model.safetensors');

describe('causal steps', () => {
  it('come after those of the training rule, and are steps by prices', async () => {
    const byBatch = await runs.train(config('batch'));
    const mixed = await runs.train(config('mixed', 'train.causal_steps=2'));
    // the loss of step 5 is the first that another rule can change
    expect(mixed.losses.slice(0, 4)).toEqual(byBatch.losses.slice(0, 4));
    expect(mixed.losses[4]).not.toBe(byBatch.losses[4]);

    const byPrices = await runs.train(config('prices', 'train.balance=potentials'));
    expect(byPrices.losses[4]).not.toBe(mixed.losses[4]);
    const all = await runs.train(config('all', 'train.causal_steps=6'));
    expect(all.losses).toEqual(byPrices.losses);
    expect(weights(all.checkpoint)).toEqual(weights(byPrices.checkpoint));
    const more = await runs.train(config('more', 'train.causal_steps=100'));
    expect(weights(more.checkpoint)).toEqual(weights(all.checkpoint));
  });

  it('that stop and go on are those that did not, at any worker count', async () => {
    const more = ['train.causal_steps=3', 'train.checkpoint_every=4'];
    const straight = await runs.train(config('straight', ...more));
    const broken = await runs.train(config('broken', ...more, 'train.workers=2'));
    expect(weights(broken.checkpoint)).toEqual(weights(straight.checkpoint));
    rmSync(broken.checkpoint, { recursive: true }); // that of step 4 is left, one step of prices before it
    const resumed = await runs.train(config('broken', ...more, 'train.workers=2'), true);
    expect(resumed.losses).toEqual(straight.losses);
    expect(weights(resumed.checkpoint)).toEqual(weights(straight.checkpoint));
    await expect(runs.train(config('broken', 'train.causal_steps=2'), true)).rejects.toThrow(
      'made with another configuration: train.causal_steps',
    );
  });

  it('are steps like any other in a model without routers', async () => {
    const dense = shape.replace('moe: {experts: 8}', 'intermediate_size: 32');
    const plain = await runs.train(config('plain', dense));
    const { checkpoint } = await runs.train(config('dense', dense, 'train.causal_steps=3'));
    expect(weights(checkpoint)).toEqual(weights(plain.checkpoint));
  });
});
