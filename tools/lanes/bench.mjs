// `pnpm bench [--only CASE] [--quick] [--json FILE]`: every benchmark in bench/, peers in the same run.
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runNode } from './process.mjs';

const args = process.argv.slice(2);
const at = args.indexOf('--json');
const target = at < 0 ? undefined : args.splice(at, 2)[1];
if ((await runNode(['tools/generate.mjs'])) !== 0) process.exit(1);
const folder = mkdtempSync(join(tmpdir(), 'spectra-bench-'));
const rows = [];
let worst = 0;
for (const file of readdirSync(join(root, 'bench')).filter(name => name.endsWith('.bench.ts'))) {
  const json = join(folder, `${file}.json`);
  const code = await runNode([
    '--conditions=@spectra/source',
    '--disable-warning=ExperimentalWarning',
    join('bench', file),
    ...args,
    '--json',
    json,
  ]);
  worst = Math.max(worst, code);
  if (code === 0) rows.push(...JSON.parse(readFileSync(json, 'utf8')));
}
if (target !== undefined) writeFileSync(target, `${JSON.stringify(rows, null, 1)}\n`);
process.exit(worst);
