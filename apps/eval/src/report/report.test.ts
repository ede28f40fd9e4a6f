import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Rng, setBackend } from '@spectra/tensor';
import { describe, expect, it } from 'vitest';
import { writeReport } from '../commands/report.ts';
import { type RunRow, writeRow } from '../runs/row.ts';
import { Store } from '../schedule/store.ts';
import { expandSuite, type Plan } from '../suite/expand.ts';
import { loadSuite } from '../suite/load.ts';
import { buildTables } from '../tables/build-tables.ts';
import type { Cell, Table } from '../tables/table.ts';
import { exampleRow, SUITE, writeSuite } from '../testing/example-suite.ts';
import { scratchFolder } from '../testing/scratch-folder.ts';
import { latexText } from './latex.ts';
import { reportData } from './report-data.ts';

await setBackend('cpu');

const planOf = (suite = SUITE): Plan => expandSuite(loadSuite(writeSuite(suite)));

/** SPECTRA is better than its neighbours by 0.2 ± 0.01. */
function lossOf(plan: Plan, id: string): number {
  const entry = plan.entries.find(({ run }) => run === id)!;
  const noise = new Rng(entry.seed).split(entry.arm).normal(0, 0.01);
  return 2 + 0.1 * entry.seed + (entry.arm === 'spectra' ? 0 : 0.2) + noise;
}

const rowsOf = (plan: Plan): Map<string, RunRow> =>
  new Map(plan.runs.map(run => [run.id, exampleRow(run, lossOf(plan, run.id))]));

function tablesOf(plan: Plan): Table[] {
  const rows = rowsOf(plan);
  return buildTables(plan, id => rows.get(id));
}

const tableOf = (tables: readonly Table[], id: string): Table => tables.find(table => table.id === id)!;
const cell = (table: Table, label: string, column: string): Cell =>
  table.rows.find(row => row.label === label)!.cells[table.columns.findIndex(({ name }) => name === column)]!;

describe('tables', () => {
  const plan = planOf();
  const rows = rowsOf(plan);
  const tables = buildTables(plan, id => rows.get(id));

  it('has every table of the suite, in the order of the paper', () => {
    expect(tables.map(({ id }) => id)).toEqual([
      'T1',
      'T1',
      'T1',
      'T7',
      'T9',
      'T11',
      'T12',
      'T13',
      'C.2',
      'C.3',
      'A',
      'E',
    ]);
    for (const { rows: found, columns } of tables) {
      expect(found.length).toBeGreaterThan(0);
      for (const row of found) expect(row.cells).toHaveLength(columns.length);
    }
  });

  it('T1: mean and deviation over seeds, the leaking score in brackets, failed arms with reasons', () => {
    const table = tableOf(tables, 'T1');
    const values = [0, 1, 2].map(seed => {
      const run = plan.entries.find(({ arm, seed: own }) => arm === 'spectra' && own === seed)!.run!;
      return rows.get(run)!.evaluation!.causal.loss;
    });
    const mean = values.reduce((a, b) => a + b, 0) / 3;
    expect(cell(table, 'SPECTRA', 'loss')).toMatchObject({
      value: expect.closeTo(mean, 12),
      bracket: expect.closeTo(mean - 0.1, 12),
    });
    expect(cell(table, 'Switch-2', 'loss')).not.toHaveProperty('bracket');
    expect(cell(table, 'dense', 'CV')).toBeNull();
    const broken = table.rows.find(({ label }) => label === 'broken')!;
    expect(broken.failures).toHaveLength(3);
    expect(broken.cells.every(found => found === null)).toBe(true);
    expect(broken.runs).toEqual([]);
  });

  it('T13: the test of every other arm, and which count as baselines', () => {
    const table = tableOf(tables, 'T13');
    expect(cell(table, 'Switch-2', 'difference')).toMatchObject({ value: expect.closeTo(-0.2, 1) });
    expect(cell(table, 'wide', 'p, Holm')).toMatch(/ \*$/);
    expect(cell(table, 'wide', 'smallest')).toBe('0.250, decides nothing');
    expect(cell(table, 'wide', 'baseline')).toBe('yes');
    expect(cell(table, 'Switch-2', 'baseline')).toBe('no');
  });

  it('T7: the difference has the sign of the arm minus the reference', () => {
    const table = tableOf(tables, 'T7');
    expect(cell(table, 'Switch-2', 'Δ loss')).toMatchObject({ value: expect.closeTo(0.2, 1) });
    expect(cell(table, 'Switch-2', 'effect')).toMatchObject({ value: expect.toSatisfy(value => value > 5) });
    expect(cell(table, 'Switch-2', '95 % interval')).toMatch(/^0\.\d+ … 0\.\d+$/);
    // Holm over both metrics: the loss has the smaller of two p
    const t13 = tableOf(tables, 'T13');
    const p = Number.parseFloat(cell(t13, 'Switch-2', 'p') as string);
    expect(Number.parseFloat(cell(table, 'Switch-2', 'p loss') as string) / p).toBeCloseTo(2, 1);
  });

  it('T13: no p where the suite only explores', () => {
    const explored = planOf(SUITE.replace('T13: {', 'T13: { exploratory: true,'));
    const table = tableOf(tablesOf(explored), 'T13');
    for (const column of ['t', 'p', 'p, Holm', 'p, Wilcoxon']) expect(cell(table, 'wide', column)).toBeNull();
    expect(cell(table, 'wide', 'difference')).not.toBeNull();
  });

  it('T1 and T13: arms of fewer seeds are compared on those that both have', () => {
    const fewer = planOf(SUITE.replace('label: wide, set', 'label: wide, seeds: [0, 2], set'));
    const [main, tests] = ['T1', 'T13'].map(id => tableOf(tablesOf(fewer), id));
    expect(main!.notes).toContainEqual(expect.stringContaining('different numbers of seeds'));
    expect(cell(tests!, 'wide', 'pairs')).toMatchObject({ value: 2 });
    expect(cell(tests!, 'Switch-2', 'pairs')).toMatchObject({ value: 3 });
    expect(tableOf(tables, 'T1').notes).not.toContainEqual(expect.stringContaining('different numbers'));
  });

  it('says that seeds are too few in place of a p', () => {
    const few = planOf(SUITE.replace('seeds: [0, 1, 2]', 'seeds: [0, 1]'));
    const table = tableOf(tablesOf(few), 'T13');
    expect(cell(table, 'wide', 'p, Holm')).toBe('2 paired seeds: too few for a test');
    expect(cell(table, 'wide', 't')).toBeNull();
  });

  it('T11: two arms side by side at every point', () => {
    const table = tableOf(tables, 'T11');
    expect(table.rows.map(({ label }) => label)).toEqual(['4', '8']);
    expect(cell(table, '8', 'difference')).toMatchObject({ value: expect.closeTo(-0.2, 1) });
    expect(cell(table, '8', '95 % interval')).toMatch(/^−0\.\d+ … −0\.\d+$/);
    expect(cell(table, '8', 'effect')).toMatchObject({ value: expect.toSatisfy(value => value < -5) });
    expect(table.rows[1]!.runs).toHaveLength(6);
  });

  it('T9, T12, E: parts, checkpoints, lengths', () => {
    expect(cell(tableOf(tables, 'T9'), 'GRU', '% of the layer')).toMatchObject({ value: 25 });
    expect(cell(tableOf(tables, 'T12'), 'SPECTRA', 'usage σ')).toMatchObject({ value: 0 });
    expect(cell(tableOf(tables, 'T12'), 'SPECTRA', '50 % → 75 %')).toMatchObject({ value: 0.75 });
    expect(cell(tableOf(tables, 'E'), '64', 'consistency (SPECTRA)')).toMatchObject({ value: 0.9 });
    expect(tableOf(tables, 'A').exploratory).toBe(true);
  });

  it('counts what is not there yet', () => {
    const none = buildTables(plan, () => undefined);
    expect(tableOf(none, 'T1').missing).toBe(12);
    for (const { rows: found, columns } of none) {
      for (const { cells } of found) {
        for (const [i, value] of cells.entries()) {
          // what an arm would cost is known
          if (columns[i]!.name === 'FLOPs ratio') continue;
          expect(value === null || typeof value === 'string').toBe(true);
        }
      }
    }
    expect(cell(tableOf(none, 'T13'), 'wide', 'baseline')).toBe('yes');
  });

  it('shows a run that diverged with its reason', () => {
    const [first] = plan.runs;
    const failed: RunRow = {
      ...rows.get(first!.id)!,
      status: 'failed',
      failure: { code: 'DIVERGED', message: 'the loss is NaN.' },
    };
    const table = tableOf(
      buildTables(plan, id => (id === first!.id ? failed : rows.get(id))),
      'T1',
    );
    const row = table.rows.find(({ label }) => label === 'SPECTRA')!;
    expect(row.failures).toEqual([{ arm: 'spectra', seed: 0, reason: 'DIVERGED: the loss is NaN.' }]);
    expect(row.runs).toHaveLength(2);
  });
});

describe('the report', () => {
  const plan = planOf();
  const results = scratchFolder();
  for (const row of rowsOf(plan).values()) writeRow(join(results, 'runs'), row);
  const options = { results, runs: join(results, 'work') };
  writeReport(plan, options);
  const read = (name: string): string => readFileSync(join(results, 'tiny', name), 'utf8');

  it('is one page that asks for nothing, with a link to every run', () => {
    const page = read('report.html');
    expect(page).not.toMatch(/(?:src|srcset|data|href)="(?:https?:)?\/\//);
    expect(page).not.toMatch(/<link[^>]+stylesheet|@import|url\(/);
    for (const { id } of plan.runs) expect(page).toContain(`href="../runs/${id}.json"`);
    expect(page.match(/<script>/g)).toHaveLength(1);
    expect(page).toContain('&lt;script&gt; sum');
    for (const title of [
      'T1 Main comparison',
      'Sweep A: quota',
      'Training loss',
      'Expert vectors',
      'Case studies',
    ])
      expect(page).toContain(title);
  });

  it('tells why a run failed here that is no row, and sorts p by its number', () => {
    const folder = scratchFolder();
    const runs = join(folder, 'work');
    const [lost] = plan.runs;
    for (const [id, row] of rowsOf(plan)) if (id !== lost!.id) writeRow(join(folder, 'runs'), row);
    const store = new Store(join(runs, 'store.sqlite'));
    store.syncPlan(plan);
    store.failed(lost!.id, { code: 'OUT_OF_MEMORY', message: 'memory ran out.' });
    store.close();
    writeReport(plan, { results: folder, runs });
    const tables = JSON.parse(readFileSync(join(folder, 'tiny/tables.json'), 'utf8')) as Table[];
    const row = tableOf(tables, 'T1').rows.find(({ label }) => label === 'SPECTRA')!;
    expect(row.failures).toEqual([{ arm: 'spectra', seed: 0, reason: 'OUT_OF_MEMORY: memory ran out.' }]);
    expect(row.runs).toHaveLength(2);
    const page = readFileSync(join(folder, 'tiny/report.html'), 'utf8');
    expect(page).toContain('failed: OUT_OF_MEMORY');
    expect(page).not.toContain(`href="../runs/${lost!.id}.json"`);
    expect(read('report.html')).toMatch(/data-v="[\d.e-]+">[\d.e-]+ \*</);
  });

  it('is the same again from the same rows', () => {
    const before = ['report.html', 'report.md', 'tables.tex', 'tables.json'].map(read);
    writeReport(plan, options);
    expect(['report.html', 'report.md', 'tables.tex', 'tables.json'].map(read)).toEqual(before);
  });

  it('has Markdown with links that lead somewhere', () => {
    const text = read('report.md');
    for (const [, path] of text.matchAll(/\]\(([^)]+)\)/g))
      expect(readFileSync(join(results, 'tiny', path!)).length).toBeGreaterThan(0);
    expect(text).toContain('| router | loss | math |');
  });

  it('has figures that stand alone', () => {
    const files = readdirSync(join(results, 'tiny/figures'));
    expect(files.length).toBeGreaterThanOrEqual(6);
    for (const file of files) {
      const svg = read(`figures/${file}`);
      expect(svg).toMatch(/^<svg[^>]* xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      for (const [, name] of svg.matchAll(/var\((--[\w-]+)\)/g)) expect(svg).toContain(`${name}:`);
    }
  });

  it("has the harness's layout, and nothing of runs that are no longer among its own", () => {
    const stale = join(results, 'tiny/lm-eval/gone-seed9');
    mkdirSync(stale);
    writeReport(plan, options);
    expect(existsSync(stale)).toBe(false);
    const [file] = readdirSync(join(results, 'tiny/lm-eval/spectra-seed0'));
    expect(file).toMatch(/^results_2026-01-01T00-10-00.000Z\.json$/);
    const found = JSON.parse(read(`lm-eval/spectra-seed0/${file}`));
    expect(found.results.arithmetic).toEqual({
      alias: 'arithmetic',
      'exact_match,none': 0.1,
      'exact_match_stderr,none': 0.05,
    });
    expect(found.higher_is_better.arithmetic).toEqual({ exact_match: true });
    expect(found['n-samples'].arithmetic).toEqual({ original: 10, effective: 10 });
  });

  it('has LaTeX that escapes what LaTeX reads', () => {
    expect(latexText('50 % of_{x} −1 ± λ')).toBe('50 \\% of\\_\\{x\\} $-$1 $\\pm$ $\\lambda$');
    const text = read('tables.tex');
    expect(latexText('p < 0.05 | 日')).toBe('p $<$ 0.05 $|$ U+65E5');
    expect(text.match(/\\begin\{tabular\}/g)).toHaveLength(12);
    const plain = text.replaceAll(/\\[\\&%$#_{}]/g, '').replaceAll(/^%.*$/gm, '');
    expect(plain).not.toMatch(/[#%_~^]/);
    expect(plain.match(/\$/g)!.length % 2).toBe(0);
    for (const [, columns, body] of plain.matchAll(/\\begin\{tabular\}\{(\w+)\}([\s\S]*?)\\end/g)) {
      const rows = body!.split('\n').filter(line => line.includes('&'));
      expect(rows.length).toBeGreaterThan(1);
      for (const row of rows) expect(row.match(/&/g)).toHaveLength(columns!.length - 1);
    }
    expect(plain.match(/\{/g)!.length).toBe(plain.match(/\}/g)!.length);
    expect([...text].filter(character => character.charCodeAt(0) > 127)).toEqual([]);
  });

  it('says whether the targets are met, and who is ahead beside the baselines', () => {
    const found = new Map<string, RunRow>();
    const source = (id: string) => found.get(id);
    expect(reportData(plan, source).headlines.map(({ status }) => status)).toEqual(
      new Array<string>(5).fill('info'),
    );
    for (const [id, row] of rowsOf(plan)) found.set(id, row);
    const [beaten, ahead] = reportData(plan, source).headlines.slice(-2);
    expect(beaten).toMatchObject({ value: '1 of 1', status: 'met' });
    const lone = (id: string) => (/wide/.test(found.get(id)?.label ?? '') ? undefined : found.get(id));
    expect(reportData(plan, lone).headlines.at(-2)).toMatchObject({ value: '0 of 1', status: 'info' });
    expect(ahead).toMatchObject({ value: '0 of 1', note: 'of another cost or not counted' });
    for (const { run, arm } of plan.entries) {
      const row = run === undefined ? undefined : found.get(run);
      if (arm !== 'switch-2' || row?.evaluation === undefined) continue;
      const { causal } = row.evaluation;
      found.set(row.id, { ...row, evaluation: { ...row.evaluation, causal: { ...causal, loss: 1 } } });
    }
    expect(reportData(plan, source).headlines.at(-1)).toMatchObject({
      value: '1 of 1',
      note: 'of another cost or not counted; Switch-2',
    });
  });
});
