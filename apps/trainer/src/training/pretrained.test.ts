import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '@spectra/checkpoint/node';
import { loadModel } from '@spectra/transformer/node';
import { afterAll, describe, expect, it } from 'vitest';
import { dryRun } from '../run/dry-run.ts';
import { BYTES, fileOf, ShortRuns } from '../testing/short-run.ts';

const runs = new ShortRuns();
afterAll(() => runs.remove());

type Values = Map<string, ArrayLike<number>>;

async function tensors(folder: string, base = 'model'): Promise<Values> {
  const store = await openModel(folder, base);
  const found: Values = new Map();
  for (const name of store.names()) found.set(name, (await store.read(name)).data);
  await store.close();
  return found;
}

const config = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as Record<string, unknown>;

describe.each(['llama', 'mixtral', 'qwen3_moe', 'llama_upcycled', 'minimax_m2'])('from %s', name => {
  it('learns, and what it saves is a folder of the same kind', async () => {
    const from = runs.model(name);
    const { losses, checkpoint } = await runs.train(
      runs.config(name, from, BYTES, 'train.steps=10', 'optim.lr=1e-2'),
    );
    expect(losses).toHaveLength(10);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! - 0.5);
    const [before, after] = [await tensors(from), await tensors(checkpoint)];
    expect([...after.keys()].filter(key => !key.includes('.router.state.')).sort()).toEqual(
      [...before.keys()].filter(key => !key.includes('.router.state.')).sort(),
    );
    expect(config(checkpoint)).toEqual({ ...config(from), torch_dtype: 'float32' });
    const model = await loadModel(checkpoint);
    model.dispose();
  });
});

describe('a run from a model', () => {
  it('that stops and goes on is the run that did not, also when the model is gone, and from its own checkpoint', async () => {
    const from = runs.model('mixtral_fused', { 'README.md': 'about it' }, 'moved');
    const straight = await runs.train(runs.config('straight', from, BYTES));
    await runs.train(runs.config('broken', from, BYTES, 'train.max_seconds=0.001'));
    renameSync(from, `${from}-away`);
    const resumed = await runs.train(runs.config('broken', from, BYTES), true);
    for (const file of ['model.safetensors', 'optimizer.safetensors', 'config.json', 'README.md'])
      expect(fileOf(resumed.checkpoint, file).equals(fileOf(straight.checkpoint, file)), file).toBe(true);
    expect(resumed.losses).toEqual(straight.losses);
    // the run's folder is a model to start from, too
    const next = await runs.train(runs.config('next', runs.path('runs', 'straight'), BYTES, 'train.steps=2'));
    expect(next.losses[0]!).toBeLessThan(straight.losses[0]!);
  });

  it('on bytes does not keep the tokenizer of a model that had another', async () => {
    const tokenizer = JSON.stringify({ model: { type: 'BPE', vocab: {}, merges: [] } });
    const from = runs.model('mixtral', { 'tokenizer.json': tokenizer, LICENSE: 'free' }, 'with-tokenizer');
    const { checkpoint } = await runs.train(runs.config('bytes', from, BYTES, 'train.steps=1'));
    expect(existsSync(join(checkpoint, 'LICENSE'))).toBe(true);
    expect(existsSync(join(checkpoint, 'tokenizer.json'))).toBe(false);
  });

  it('does not overwrite the model that it begins from', async () => {
    const from = runs.model('mixtral');
    const { checkpoint } = await runs.train(runs.config('kept', from, BYTES, 'train.steps=1'));
    for (const source of [checkpoint, runs.path('runs', 'kept')]) {
      const again = runs.train(runs.config('kept', source, BYTES, 'train.steps=1'));
      await expect(again).rejects.toMatchObject({ code: 'FILE_EXISTS' });
    }
    expect(existsSync(checkpoint)).toBe(true);
  });

  it('refuses a revision of a folder and a pattern that no parameter fits', async () => {
    const from = runs.model('mixtral');
    const revised = runs.config('revised', from, BYTES, 'model.revision=main');
    await expect(runs.train(revised)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      where: 'model.revision',
    });
    const missed = runs.config('missed', from, BYTES, 'optim.groups=[{match: "exprets", lr_ratio: 0}]');
    await expect(runs.train(missed)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      where: 'optim.groups.0',
    });
    expect(existsSync(runs.path('runs', 'missed'))).toBe(false);
  });

  it('of quantised weights saves wide ones and says so', async () => {
    const from = runs.model('gpt_oss_mxfp4');
    const { checkpoint } = await runs.train(runs.config('wide', from, BYTES, 'train.steps=1'));
    expect(config(from)).toHaveProperty('quantization_config');
    expect(config(checkpoint)).not.toHaveProperty('quantization_config');
    const [before, after] = [await tensors(from), await tensors(checkpoint)];
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
  });

  it('checks the tokenizer and the length of rows', async () => {
    const from = runs.model('gpt2');
    await expect(dryRun(runs.config('x', from))).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
      where: from,
    });
    await expect(
      dryRun(runs.config('x', from, 'data.tokenizer={kind: bytes, document_end: true}')),
    ).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
      message: expect.stringContaining('257 tokens, the model only 256'),
    });
    await expect(dryRun(runs.config('x', from, BYTES, 'data.length=5000'))).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      where: 'data.length',
    });
    await expect(dryRun(runs.config('x', runs.path('nowhere'), BYTES))).rejects.toMatchObject({
      code: 'FILE_MISSING',
    });
  });
});

describe('partial training', () => {
  const groups = 'optim.groups=[{role: router, lr_ratio: 2}, {lr_ratio: 0}]';

  it('changes what trains and nothing else, with one thread or two', async () => {
    const from = runs.model('mixtral', {}, 'partial');
    const one = await runs.train(runs.config('one', from, BYTES, groups, 'optim.weight_decay=0.5'));
    const two = await runs.train(
      runs.config('two', from, BYTES, groups, 'optim.weight_decay=0.5', 'train.workers=2'),
    );
    const [before, after] = [await tensors(from), await tensors(one.checkpoint)];
    const changed = [...before].filter(([name, values]) => {
      const now = after.get(name)!;
      return Array.from(values).some((value, i) => !Object.is(value, now[i]));
    });
    const routers = [...before.keys()].filter(name => name.includes('.gate.weight'));
    expect(routers.length).toBeGreaterThan(0);
    expect(changed.map(([name]) => name).sort()).toEqual(routers.sort());
    const kept = [...(await tensors(one.checkpoint, 'optimizer')).keys()];
    expect(kept.every(name => /\.mlp\.router\.gate\.weight\.(m|v|steps)$/.test(name))).toBe(true);
    expect(kept).toHaveLength(3 * routers.length);
    for (const file of ['model.safetensors', 'optimizer.safetensors'])
      expect(fileOf(two.checkpoint, file).equals(fileOf(one.checkpoint, file)), file).toBe(true);
    const trained = routers.reduce((sum, name) => sum + before.get(name)!.length, 0);
    const all = [...before.values()].reduce((sum, { length }) => sum + length, 0);
    expect(JSON.parse(fileOf(one.checkpoint, 'state.json').toString())).toMatchObject({
      parameters: all,
      trainable: trained,
    });
  });

  it('leaves prices of a frozen router alone, too', async () => {
    const shape = '{vocab_size: 256, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, moe: {}}';
    const fresh = await runs.train(runs.config('fresh', '', `model=${shape}`, BYTES, 'train.steps=2'));
    const train = (name: string, ratio: number) =>
      runs.train(
        runs.config(name, fresh.checkpoint, BYTES, `optim.groups=[{role: router, lr_ratio: ${ratio}}]`),
      );
    const [frozen, moving] = [await train('frozen', 0), await train('moving', 1)];
    const [before, after, other] = await Promise.all(
      [fresh, frozen, moving].map(({ checkpoint }) => tensors(checkpoint)),
    );
    const routers = [...before!].filter(([name]) => name.includes('.router.'));
    expect(routers.filter(([name]) => name.endsWith('.state.price'))).toHaveLength(2);
    for (const [name, values] of routers) expect(after!.get(name), name).toEqual(values);
    expect(other).not.toEqual(after);
    for (const [name, values] of routers)
      if (name.endsWith('.state.price')) expect(other!.get(name), name).not.toEqual(values);
  });

  it('of nothing is a mistake', async () => {
    const from = runs.model('llama', {}, 'nothing');
    const nothing = runs.config('nothing', from, BYTES, 'optim.groups=[{lr_ratio: 0}]');
    await expect(runs.train(nothing)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      where: 'optim.groups',
    });
    expect(existsSync(runs.path('runs', 'nothing'))).toBe(false);
  });
});
