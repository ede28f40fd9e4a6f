/**
 * Writes the tables of `docs/results/bench/*.json` into the documentation, between `<!-- bench:NAME -->` and
 * `<!-- /bench -->`. `--check` writes nothing and fails where a page says something else.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  memoryTable,
  missedList,
  opTable,
  provenance,
  scalingTable,
  shortTable,
  timeTable,
  workersTable,
} from './markdown.ts';
import { type Row, readRows } from './rows.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(root, 'docs', 'results', 'bench');

const BLOCKS: Readonly<Record<string, (rows: readonly Row[]) => string>> = {
  short: shortTable,
  wasm: rows => timeTable(rows, 'wasm'),
  tensorflow: rows => timeTable(rows, 'tensorflow'),
  missed: missedList,
  workers: workersTable,
  ops: opTable,
  memory: memoryTable,
  scaling: scalingTable,
  provenance,
};

const files = existsSync(results) ? readdirSync(results).filter(name => name.endsWith('.json')) : [];
const rows = files.flatMap(name => readRows(join(results, name)));
const check = process.argv.includes('--check');
let stale = 0;
for (const page of ['README.md', 'docs/performance.md']) {
  const path = join(root, page);
  const text = readFileSync(path, 'utf8');
  const rendered = text.replace(
    /(<!-- bench:(\w+) -->\n)[\s\S]*?(<!-- \/bench -->)/g,
    (_, open: string, name: string, close: string) => `${open}\n${block(name)}\n\n${close}`,
  );
  if (rendered === text) continue;
  stale++;
  if (check) console.error(`${page} does not say what docs/results/bench holds: run bench/render.ts.`);
  else writeFileSync(path, rendered);
}
process.exit(check && stale > 0 ? 1 : 0);

function block(name: string): string {
  const make = BLOCKS[name];
  if (make === undefined) throw new Error(`there is no table named ${name}.`);
  return rows.length === 0 ? 'No figures yet.' : make(rows);
}
