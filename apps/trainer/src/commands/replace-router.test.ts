import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { workspaceRoot } from '@spectra/testing';
import { expect, it } from 'vitest';
import { CommandSpace, fixture } from '../testing/command-space.ts';
import { type ReplaceFlags, replaceRouterCommand } from './replace-router.ts';

const space = new CommandSpace('replace-router-');

const flags = (name: string, more: Partial<ReplaceFlags>): ReplaceFlags => ({
  ...{ from: fixture(name), router: 'spectra', seed: 0, init: 'fresh', length: 256 },
  ...{ balanced: false, plan: false, json: false, backend: 'wasm' },
  ...more,
});

it('lists what it drops', async () => {
  const to = space.path('rerouted');
  await replaceRouterCommand(flags('kimi_k2', { to }));
  expect(space.printed()).toMatch(/^dropped .*e_score_correction_bias: correction bias of the old router$/m);
  expect(await readdir(to)).toContain('model-router.safetensors');
});

it('measures the factor where the old gates do not tell', async () => {
  const other = flags('qwen2_moe', { to: space.path('measured') });
  await expect(replaceRouterCommand(other)).rejects.toMatchObject({ code: 'VALUE' });
  const calibrated = { ...other, input: join(fixture('qwen2_moe'), 'inputs.json') };
  await replaceRouterCommand(calibrated);
  const { spectra_moe } = JSON.parse(await readFile(join(other.to!, 'config.json'), 'utf8'));
  expect(spectra_moe.scale).toBeGreaterThan(0);
  space.clear();
  await replaceRouterCommand({ ...calibrated, plan: true });
  expect(space.printed()).toMatch(/: fresh$/m);
});

it('plans without writing', async () => {
  const before = await readdir(space.folder);
  await replaceRouterCommand(flags('mixtral', { plan: true }));
  expect(space.printed()).toMatch(
    /^model\.layers\.2\.mlp\.router\.expression\.weight F32 \[128, 64\] .*: fresh$/m,
  );
  expect(space.printed()).toMatch(
    /^model\.embed_tokens\.weight .*: carried over of model\.embed_tokens\.weight$/m,
  );
  expect(space.printed()).toMatch(/^dropped model\.layers\.0\.block_sparse_moe\.gate\.weight: /m);
  expect(await readdir(space.folder)).toEqual(before);
});

it('fits the router to a text and says how well', async () => {
  const text = space.path('text.txt');
  await writeFile(text, await readFile(join(workspaceRoot(), 'docs', 'upcycling.md'), 'utf8'));
  const to = space.path('distilled');
  // bytes are its tokens
  await replaceRouterCommand(flags('mixtral', { to, text, length: 64, init: 'distil', steps: 60 }));
  const shares = [
    ...space.printed().matchAll(/^layer (\d): agreement ([\d.]+) % before, ([\d.]+) % after; /gm),
  ];
  expect(shares.map(([, layer]) => Number(layer))).toEqual([0, 1, 2]);
  for (const [, , before, after] of shares) expect(Number(after)).toBeGreaterThan(Number(before) + 20);
});

it.each([
  [{ text: 'a', input: 'b' }, 'USAGE'],
  [{ to: 'x', text: 'nowhere.txt' }, 'FILE_MISSING'],
  [{}, 'USAGE'],
  [{ to: 'x', init: 'distil' }, 'VALUE'],
  [{ to: 'x', text: join(fixture('mixtral'), 'config.json'), length: 1e6 }, 'USAGE'],
  [{ to: 'x', json: true }, 'USAGE'],
  [{ to: 'x', balanced: true }, 'USAGE'],
  [{ to: 'x', steps: 3 }, 'USAGE'],
  [{ to: fixture('olmoe'), init: 'distil', input: join(fixture('mixtral'), 'inputs.json') }, 'FILE_EXISTS'],
  [
    {
      to: 'x',
      router: 'softmax-topk',
      init: 'distil',
      balanced: true,
      input: join(fixture('mixtral'), 'inputs.json'),
    },
    'VALUE',
  ],
  [{ to: 'x', router: 'magic' }, 'USAGE'],
  [{ to: 'x', routerOptions: '5' }, 'USAGE'],
  [{ to: 'x', routerOptions: '[]' }, 'USAGE'],
  [{ to: 'x', routerOptions: '{"kind": "hash"}' }, 'USAGE'],
] as const)('%j is %s', async (more, code) => {
  await expect(replaceRouterCommand(flags('mixtral', more))).rejects.toMatchObject({ code });
});
