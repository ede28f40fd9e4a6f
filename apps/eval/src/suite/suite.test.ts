import { writeFileSync } from 'node:fs';
import { setBackend } from '@spectra/tensor';
import { freshModel } from '@spectra/trainer';
import { beforeAll, describe, expect, it } from 'vitest';
import { BASE, SUITE, writeSuite } from '../testing/example-suite.ts';
import { modelCost } from './cost.ts';
import { expandSuite } from './expand.ts';
import { loadSuite } from './load.ts';
import { withOverrides } from './overrides.ts';

beforeAll(() => setBackend('cpu'));

const plan = (suite = SUITE, base = BASE) => expandSuite(loadSuite(writeSuite(suite, base)));

describe('loadSuite', () => {
  it.each([
    ['seeds: [0, 1, 2]', 'sedes: [0]', 'did you mean seeds?'],
    ['T12: { arms: [spectra, switch-2] }', 'T12: { arms: [spectra, swich-2] }', 'did you mean switch-2?'],
    ['[spectra, switch-2, wide] }', '[spectra, wide], reference: dense }', 'not among its arms'],
    ['key: model.moe.experts, values', 'values', 'needs key and values, or options'],
    ['seeds: [0, 1, 2]', 'seeds: [0, 0]', 'twice'],
    ['base: base.yaml', 'base: nothing.yaml', 'cannot be read'],
    ['tasks: [arithmetic]', 'tasks: [arithmetics]', 'there is no task arithmetics'],
    ['tasks: [arithmetic]', 'tasks: [arc=a/x.jsonl, arc=b/x.jsonl]', 'both called arc_x'],
    ['lengths: [32, 64]', 'lengths: [24, 64]', '24 does not divide the longest'],
    ['title: A tiny suite', 'title: A tiny suite\nset: { train.max_seconds: 3 }', 'clock'],
  ])('refuses %s → %s', (from, to, message) => {
    expect(() => loadSuite(writeSuite(SUITE.replace(from, to)))).toThrow(message);
  });

  it('names a file that is no YAML', () => {
    const path = writeSuite();
    writeFileSync(path, 'a: [');
    expect(() => loadSuite(path)).toThrow('not valid YAML');
  });
});

describe('expandSuite', () => {
  it('makes every run of every table, equal ones once', () => {
    const { runs, entries } = plan();
    expect(new Set(runs.map(({ id }) => id)).size).toBe(runs.length);
    // T1 4 arms × 3; T11 at E = 8, since E = 4 is the base: 2 × 3; A at α = 2; the timing
    expect(runs.length).toBe(12 + 6 + 1 + 1);
    expect(runs.at(-1)!.kind).toBe('timing');
    const of = (table: string, arm: string) =>
      entries.filter(entry => entry.table === table && entry.arm === arm).map(({ run }) => run);
    expect(of('T7', 'spectra')).toEqual(of('T1', 'spectra'));
    expect(of('A', 'spectra')[0]).toBe(of('T1', 'spectra')[0]);
  });

  it('pairs seeds: every arm of one before the next', () => {
    const seeds = plan()
      .entries.filter(({ table }) => table === 'T1')
      .map(({ seed }) => seed);
    expect(seeds).toEqual([...seeds].sort((a, b) => a - b));
  });

  it('keeps an arm that is not valid, with its reason', () => {
    const broken = plan().entries.filter(({ arm }) => arm === 'broken');
    expect(broken).toHaveLength(3);
    for (const { run, reason } of broken) {
      expect(run).toBeUndefined();
      expect(reason).toMatch(/CONFIG_INVALID.*9 experts per token/);
    }
  });

  it('trains an arm with its own seeds alone, of those of the table', () => {
    const found = plan(SUITE.replace('label: Switch-2, set', 'label: Switch-2, seeds: [2, 0, 9], set'));
    const seeds = (table: string, arm: string) =>
      found.entries.filter(entry => entry.table === table && entry.arm === arm).map(({ seed }) => seed);
    expect(seeds('T1', 'switch-2')).toEqual([0, 2]);
    expect(seeds('E', 'switch-2')).toEqual([0]);
    expect(seeds('T1', 'spectra')).toEqual([0, 1, 2]);
    expect(() => plan(SUITE.replace('label: Switch-2, set', 'label: Switch-2, seeds: [1], set'))).toThrow(
      "tables.E.arms: switch-2 has none of the table's seeds",
    );
  });

  it('draws a router that learns nothing anew for every seed, unless told', () => {
    const drawn = (router: string) =>
      plan(SUITE.replace('{ kind: softmax-topk }', router))
        .runs.filter(({ label }) => /^Switch-2, seed/.test(label))
        .map(({ config }) => (freshModel(config).moe!.router as { seed?: number }).seed);
    expect(drawn('{ kind: hash }')).toEqual([0, 1, 2]);
    expect(drawn('{ kind: random }')).toEqual([0, 1, 2]);
    expect(drawn('{ kind: hash, seed: 7 }')).toEqual([7, 7, 7]);
    expect(drawn('{ kind: softmax-topk }')).toEqual([undefined, undefined, undefined]);
  });

  it('asks a run for what all of its tables want', () => {
    const { runs, entries } = plan();
    const first = entries.find(({ table, arm, seed }) => table === 'E' && arm === 'spectra' && seed === 0)!;
    const run = runs.find(({ id }) => id === first.run)!;
    expect(run.measures.map(({ name }) => name).sort()).toEqual(['lengths', 'tasks', 'texts']);
  });

  it('knows a run by what decides its numbers, not by names', () => {
    const ids = (suite: string) => plan(suite).runs.map(({ id }) => id);
    expect(ids(SUITE.replace('name: tiny', 'name: other').replace('label: SPECTRA', 'label: ours'))).toEqual(
      ids(SUITE),
    );
    expect(plan(SUITE, `${BASE}\nruns_dir: elsewhere\n`).runs[0]!.id).toBe(plan().runs[0]!.id);
    expect(ids(SUITE.replace('tokens: 640', 'tokens: 1280'))).not.toContain(ids(SUITE)[0]);
    expect(plan(SUITE, BASE.replace('eval_tokens: 128', 'eval_tokens: 64')).runs[0]!.id).not.toBe(
      plan().runs[0]!.id,
    );
  });

  it('takes whole steps that make up the budget', () => {
    const [run] = plan(SUITE.replace('tokens: 640', 'tokens: 650')).runs;
    expect(run!.config.train.steps).toBe(11);
    expect(run!.tokens).toBe(11 * 64);
  });

  it('wants a backend by name', () => {
    const reasons = plan(SUITE, BASE.replace('backend: wasm', 'backend: auto')).entries.map(
      ({ reason }) => reason,
    );
    expect(reasons[0]).toContain('backend is auto');
  });

  it('widens an arm to what another costs', () => {
    const { runs, entries } = plan();
    const cost = (arm: string) => {
      const id = entries.find(entry => entry.arm === arm && entry.table === 'T1')!.run;
      const { config } = runs.find(run => run.id === id)!;
      return modelCost(freshModel(config), config.data.length);
    };
    expect(cost('wide').flops / cost('spectra').flops).toBeCloseTo(1, 1);
    expect(cost('wide').flops).toBeGreaterThan(cost('switch-2').flops);
    expect(cost('dense').active_parameters / cost('spectra').active_parameters).toBeCloseTo(1, 2);
  });
});

describe('withOverrides', () => {
  it('puts, replaces and removes, later layers last, and leaves its argument alone', () => {
    const base = { a: { b: 1, c: { d: 2 } }, e: 3 };
    const found = withOverrides(base, { 'a.c': { x: 1 }, 'f.g': 4 }, { 'a.b': null, 'a.c.x': 5 });
    expect(found).toEqual({ a: { c: { x: 5 } }, e: 3, f: { g: 4 } });
    expect(base).toEqual({ a: { b: 1, c: { d: 2 } }, e: 3 });
  });
});
