import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CommandSpace, fixture } from '../testing/command-space.ts';
import {
  type UpcycleFlags,
  upcycleApplyCommand,
  upcyclePlanCommand,
  upcycleVerifyCommand,
} from './upcycle.ts';

const input = join(fixture('llama'), 'inputs.json');
const backend = 'wasm';
const space = new CommandSpace('upcycle-commands-');

const flags = (more: Partial<UpcycleFlags>): UpcycleFlags => ({
  ...{ from: fixture('llama'), to: space.path('moe'), mode: 'granular', parts: 2, replicas: 2 },
  ...{ router: 'spectra', routerOptions: '{"router_dim": 4}', seed: 0, json: false, backend },
  ...more,
});

describe('upcycle', () => {
  it('plans without writing', async () => {
    await upcyclePlanCommand(flags({}));
    expect(space.printed()).toMatch(
      /^model\.layers\.2\.mlp\.experts\.down_proj F32 \[4, 64, 48\] .*: 2 parts, each 2 times of /m,
    );
    expect(space.printed()).toMatch(/computes the same as the source$/);
    space.clear();
    await upcyclePlanCommand(flags({ json: true }));
    const plan = JSON.parse(space.printed());
    expect(plan.exact).toBe(true);
    expect(plan.config.spectra_moe.router).toMatchObject({ kind: 'spectra', router_dim: 4, groups: 2 });
    expect(await readdir(space.folder)).toEqual([]);
  });

  it('applies and verifies', async () => {
    const { from, to } = flags({});
    await upcycleApplyCommand(flags({}));
    const check = { from, to, input, backend, json: false } as const;
    await upcycleVerifyCommand({ ...check, tolerance: 1e-5 });
    expect(space.printed()).toMatch(/^layer 2: max .*\nlogits: max /m);
    await expect(upcycleVerifyCommand({ ...check, tolerance: 0 })).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
    });
    const padded = space.path('padded.json');
    await writeFile(padded, JSON.stringify(JSON.parse(await readFile(input, 'utf8')).padded));
    await upcycleVerifyCommand({ ...check, input: padded, tolerance: 1e-5 });
    const foreign = space.path('foreign.json');
    await writeFile(foreign, '{"input_ids": [[1, 100000, 5]]}');
    await expect(upcycleVerifyCommand({ ...check, input: foreign, tolerance: 1e-5 })).rejects.toMatchObject({
      code: 'VALUE',
      message: expect.stringContaining('100000'),
    });
  });

  it('names what is wrong with a router', async () => {
    const usage = { code: 'USAGE' };
    await expect(upcyclePlanCommand(flags({ router: 'magic' }))).rejects.toMatchObject(usage);
    await expect(upcyclePlanCommand(flags({ routerOptions: '{' }))).rejects.toMatchObject(usage);
    await expect(upcyclePlanCommand(flags({ routerOptions: '{"a": 1}' }))).rejects.toMatchObject(usage);
  });
});
