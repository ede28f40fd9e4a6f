/** The suites of the repository ask for what the protocol asks for; nothing is trained. */
import { join } from 'node:path';
import { setBackend } from '@spectra/tensor';
import { workspaceRoot } from '@spectra/testing';
import { freshModel } from '@spectra/trainer';
import { beforeAll, describe, expect, it } from 'vitest';
import { FLOPS_TOLERANCE } from '../tables/significance.ts';
import { modelCost } from './cost.ts';
import { expandSuite, type Plan } from './expand.ts';
import { loadSuite } from './load.ts';
import { TABLE_IDS, type TableId } from './schema.ts';

beforeAll(() => setBackend('cpu'));

const plans = new Map<string, Plan>();
function planOf(name: string): Plan {
  const found =
    plans.get(name) ?? expandSuite(loadSuite(join(workspaceRoot(), 'configs/suites', `${name}.yaml`)));
  plans.set(name, found);
  return found;
}

const runsOf = ({ runs, entries }: Plan, table: TableId) =>
  entries.filter(entry => entry.table === table).map(({ run }) => runs.find(({ id }) => id === run)!);
const seedsOf = ({ entries }: Plan, table: TableId): number =>
  new Set(entries.filter(entry => entry.table === table).map(({ seed }) => seed)).size;

describe.each(['smoke', 'paper-small', 'paper-full'])('%s', name => {
  it('has every table, and no run that is not valid', () => {
    const { suite, entries } = planOf(name);
    expect(Object.keys(suite.tables).sort()).toEqual([...TABLE_IDS].sort());
    expect(entries.filter(({ run }) => run === undefined)).toEqual([]);
  });
});

describe.each(['paper-small', 'paper-full'])('%s', name => {
  it('has five paired seeds where tests decide, three for sizes and lengths, one where it explores', () => {
    const plan = planOf(name);
    for (const id of TABLE_IDS) {
      const { exploratory } = plan.suite.tables[id]!;
      const seeds = seedsOf(plan, id);
      if (id === 'T1' || id === 'T7' || id === 'T13') expect(seeds, id).toBeGreaterThanOrEqual(5);
      else if (id === 'T10' || id === 'T11' || id === 'E') expect(seeds, id).toBe(3);
      else expect([id, exploratory && seeds > 1]).toEqual([id, false]);
    }
  });

  it('makes whole seeds of the main comparison first', () => {
    const plan = planOf(name);
    const main = new Set(runsOf(plan, 'T1').map(({ id }) => id));
    const first = plan.runs.slice(0, main.size);
    expect(first.every(({ id }) => main.has(id))).toBe(true);
    const { suite } = plan;
    const { arms, seeds = suite.seeds } = suite.tables.T1!;
    const whole = seeds.flatMap(seed =>
      arms.filter(arm => suite.arms[arm]!.seeds?.includes(seed) ?? true).map(() => seed),
    );
    expect(first.map(({ config }) => config.seed)).toEqual(whole);
  });

  it('costs the same where a baseline is to count', () => {
    const [reference, ...others] = runsOf(planOf(name), 'T1').filter(({ config }) => config.seed === 0);
    const flops = (run: typeof reference) =>
      modelCost(freshModel(run!.config), run!.config.data.length).flops;
    const equal = others.filter(run => Math.abs(flops(run) / flops(reference) - 1) <= FLOPS_TOLERANCE);
    expect(equal.map(({ label }) => label.replace(/, seed 0$/, ''))).toEqual([
      'dense, equal active parameters',
      'Switch-2, equal FLOPs',
      "Switch-2 on SPECTRA's GRU, equal FLOPs",
      "Switch-2 on SPECTRA's GRU, balanced, equal FLOPs",
    ]);
  });
});

it('paper-small spends tokens as the plan of the paper says', () => {
  const plan = planOf('paper-small');
  const fewest = (id: TableId): number => Math.min(...runsOf(plan, id).map(({ tokens }) => tokens));
  for (const id of ['T1', 'T7', 'T13', 'E'] as const) expect(fewest(id), id).toBeGreaterThanOrEqual(1.2e6);
  for (const id of ['T10', 'T11', 'B.4', 'B.5', 'A', 'B', 'C', 'D'] as const)
    expect(fewest(id), id).toBeGreaterThanOrEqual(6e5);
  expect(runsOf(plan, 'B')).toHaveLength(4 * 4 + 2);
});

it('paper-small-fresh trains what paper-small trains, on seeds that are not in it', () => {
  const seedless = (name: string) =>
    runsOf(planOf(name), 'T1').map(({ label, tokens, config: { seed, ...config } }) => ({
      label: label.replace(/, seed \d+$/, ''),
      seed,
      trained: { tokens, ...config },
    }));
  const [chosen, fresh] = [seedless('paper-small'), seedless('paper-small-fresh')];
  for (const { label, seed, trained } of fresh) {
    const twins = chosen.filter(run => run.label === label);
    expect(twins.length, label).toBeGreaterThan(0);
    expect(twins.map(twin => twin.seed)).not.toContain(seed);
    expect(trained).toEqual(twins[0]!.trained);
  }
});
