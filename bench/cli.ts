/**
 * The benchmarks: `pnpm bench [--only CASE] [--quick] [--json FILE] [--backend wasm,tensorflow,webgpu,cpu]`.
 *
 * Rows go to FILE as they are found. A case that FILE has is not measured again, so that an interrupted call goes on
 * where it stopped; `--only` measures anew.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BACKEND_NAMES, probeBackends } from '@spectra/tensor';
import { type BenchCase, CASES } from './cases.ts';
import { canMeasureMemory, memoryCase } from './memory-case.ts';
import { SidePool } from './peers.ts';
import { RowFile, type TimeRow } from './rows.ts';
import { SCALING_CASES, scalingCase } from './scaling-case.ts';
import { memoryLine, scalingLine, timeLine } from './table.ts';
import { applyTargets } from './targets.ts';
import { timeCase } from './time-case.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
  },
});

const wanted = (name: string): boolean =>
  values.only === undefined || name.toLowerCase().includes(values.only.toLowerCase());
const file = new RowFile(values.json);
const pool = new SidePool();
const folder = mkdtempSync(join(tmpdir(), 'spectra-bench-'));
const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.version}`;
let failures = 0;

try {
  const { timed, checked } = await backends(values.backend.split(','));
  if (timed.length > 0) await measureAll(timed, { quick: values.quick, timed: true });
  if (checked.length > 0) await measureAll(checked, { quick: true, timed: false });
} finally {
  await pool.stop();
  rmSync(folder, { recursive: true });
}
process.exit(failures === 0 ? 0 : 1);

/** Those that can be timed here, and those whose software adapter only shows that results are right. */
async function backends(names: readonly string[]): Promise<{ timed: string[]; checked: string[] }> {
  // looking for one prints what drivers have to say
  const looked = names.some(name => name === 'webgpu' || name === 'tensorflow') ? await probeBackends() : [];
  const found = { timed: [] as string[], checked: [] as string[] };
  for (const name of names) {
    const finding = looked.find(f => f.name === name);
    const known = BACKEND_NAMES.some(backend => backend === name);
    if (!known || finding?.available === false) {
      console.error(
        `${name}: ${finding?.reason ?? `there is no such backend; use ${BACKEND_NAMES.join(', ')}.`}`,
      );
      failures++;
      continue;
    }
    if (finding !== undefined) console.log(`${name}: ${finding.device}`);
    found[name === 'webgpu' && finding?.gpu !== true ? 'checked' : 'timed'].push(name);
  }
  return found;
}

async function measureAll(
  backends: readonly string[],
  { quick, timed }: { readonly quick: boolean; readonly timed: boolean },
): Promise<void> {
  const settings = { pool, folder, quick, machine, timed };
  const missing = (measure: TimeRow['measure'] | 'memory' | 'scaling', name: string): string[] =>
    backends.filter(b => values.only !== undefined || !file.has(measure, name, b, quick));
  let kind = '';
  for (const bench of CASES.filter(({ name }) => wanted(name))) {
    await attempt(bench.name, async () => {
      // memory of a wasm heap never goes back
      if (bench.kind !== kind) await pool.stop();
      kind = bench.kind;
      const todo = missing('time', bench.name).filter(backend => suits(bench, backend));
      if (todo.length === 0) return;
      const rows = applyTargets(await timeCase(bench, todo, settings), file.all);
      file.put(rows);
      for (const row of rows) console.log(timeLine(row));
    });
  }
  if (!timed) return;
  for (const scaling of SCALING_CASES.filter(({ name }) => wanted(`scaling: ${name}`))) {
    for (const backend of missing('scaling', scaling.name)) {
      await attempt(scaling.name, async () => {
        const row = await scalingCase(scaling, backend, settings);
        file.put([row]);
        console.log(scalingLine(row));
      });
    }
  }
  if (!canMeasureMemory()) return console.log('peak memory: not measured, it needs Linux.');
  for (const bench of CASES.filter(({ name, memory }) => memory && wanted(`memory: ${name}`))) {
    for (const backend of missing('memory', bench.name).filter(name => name !== 'webgpu')) {
      await attempt(bench.name, async () => {
        const row = await memoryCase(bench, backend, settings);
        file.put([row]);
        console.log(memoryLine(row));
      });
    }
  }
}

/** Workers are for backends that compute in the thread that calls. */
function suits({ params }: BenchCase, backend: string): boolean {
  return params.workers === undefined || backend === 'wasm' || backend === 'cpu';
}

async function attempt(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    failures++;
    console.error(`${name}: ${(error as Error).message}`);
  }
}
