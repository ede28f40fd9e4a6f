import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { delimiter, join } from 'node:path';
import { setBackend } from '@spectra/tensor';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { exitCodeOfPlan } from '../commands/run.ts';
import { lockFolder } from '../runs/folder-lock.ts';
import { readJob, runFolder, writeFailure } from '../runs/job.ts';
import { readRow, writeRow } from '../runs/row.ts';
import { expandSuite } from '../suite/expand.ts';
import { loadSuite } from '../suite/load.ts';
import { exampleRow, SUITE, writeSuite } from '../testing/example-suite.ts';
import { scratchFolder } from '../testing/scratch-folder.ts';
import { launchLocally } from './local-launcher.ts';
import { Schedule } from './schedule.ts';
import { launchOnSlurm } from './slurm-launcher.ts';
import { Store } from './store.ts';

beforeAll(() => setBackend('cpu'));
afterEach(() => vi.unstubAllEnvs());

/** Two trained runs and a timing. */
const SMALL = SUITE.replace(
  /tables:[\s\S]*?texts:/,
  'tables: { T1: { arms: [spectra, switch-2], seeds: [0] }, T9: { arms: [spectra] } }\ntexts:',
);

/** A schedule whose runs are made by a stand-in for this command line. */
function schedule(
  script = 'process.exit(1)',
  suite = SMALL,
  announce: (text: string) => void = () => undefined,
): Schedule {
  const folder = scratchFolder();
  const program = join(folder, 'program.mjs');
  writeFileSync(program, script);
  return new Schedule({
    plan: expandSuite(loadSuite(writeSuite(suite))),
    store: new Store(join(folder, 'runs/store.sqlite')),
    runs: join(folder, 'runs'),
    rows: join(folder, 'rows'),
    program: { file: process.execPath, arguments: [program] },
    announce,
  });
}

/** Copies a row that lies prepared beside the rows. */
const COPYING = `
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
const [command, folder] = process.argv.slice(2);
if (command !== 'execute') process.exit(2);
const { run, rows } = JSON.parse(readFileSync(folder + '/job.json', 'utf8'));
mkdirSync(rows, { recursive: true });
copyFileSync(rows + '-prepared/' + run.id + '.json', rows + '/' + run.id + '.json');
`;

function prepare(made: Schedule): void {
  for (const run of made.plan.runs) writeRow(`${made.rows}-prepared`, exampleRow(run, 2));
}

const statuses = (made: Schedule) => made.store.runs(made.plan).map(({ status }) => status);

describe('Schedule', () => {
  it('takes over rows that another machine made', () => {
    const made = schedule();
    const [first] = made.plan.runs;
    expect(made.left()).toHaveLength(made.plan.runs.length);
    writeRow(made.rows, exampleRow(first!, 2));
    made.refresh();
    expect(made.left()).toHaveLength(made.plan.runs.length - 1);
    expect(made.store.run(first!.id)!.status).toBe('done');
  });

  it('makes a run again whose row lacks a measure, but not one that diverged', () => {
    const made = schedule();
    const [first, second] = made.plan.runs;
    const { measures: _, ...bare } = exampleRow(first!, 2);
    writeRow(made.rows, bare);
    const failure = { code: 'DIVERGED', message: 'the loss is NaN.' };
    writeRow(made.rows, { ...exampleRow(second!, 2), status: 'failed', failure });
    made.refresh();
    expect(first!.measures.length).toBeGreaterThan(0);
    expect(made.left().map(({ id }) => id)).toContain(first!.id);
    expect(made.left().map(({ id }) => id)).not.toContain(second!.id);
    expect(made.store.run(second!.id)).toMatchObject({ status: 'failed', code: 'DIVERGED' });
  });
});

describe('launchLocally', () => {
  it('makes every run once, timings last', async () => {
    const made = schedule(COPYING);
    prepare(made);
    const order: string[] = [];
    const started = made.started.bind(made);
    made.started = run => {
      order.push(run.kind);
      started(run);
    };
    expect(await launchLocally(made, 3)).toBeUndefined();
    expect(made.left()).toEqual([]);
    expect(new Set(statuses(made))).toEqual(new Set(['done']));
    expect(order.at(-1)).toBe('timing');
    expect(made.endedHere).toBe(made.plan.runs.length);
    expect(await launchLocally(made, 3)).toBeUndefined();
    expect(made.endedHere).toBe(made.plan.runs.length);
  });

  it.each([
    ['process.exit(7)', 'WORKER_FAILED', 'exit code 7'],
    ["console.error('heap out of memory'); process.abort()", 'OUT_OF_MEMORY', 'memory ran out'],
    ["process.kill(process.pid, 'SIGKILL')", 'OUT_OF_MEMORY', 'SIGKILL'],
    ['process.exit(0)', 'WORKER_FAILED', 'left no row'],
  ])('records why %s failed and goes on', async (script, code, reason) => {
    const made = schedule(script);
    await launchLocally(made, 1);
    const runs = made.store.runs(made.plan);
    expect(runs).toHaveLength(3);
    for (const run of runs) {
      expect(run).toMatchObject({ status: 'failed', code, attempts: 1 });
      expect(run.reason).toContain(reason);
    }
    expect(made.left()).toHaveLength(3);
  });

  it('a run that someone else stops is none that is there', async () => {
    const made = schedule('process.exit(143)');
    await launchLocally(made, 1);
    expect(new Set(statuses(made))).toEqual(new Set(['interrupted']));
    expect(exitCodeOfPlan(made)).toBe(1);
    const whole = schedule(COPYING);
    prepare(whole);
    await launchLocally(whole, 1);
    expect(exitCodeOfPlan(whole)).toBe(0);
  });

  it('tells what the run itself told', async () => {
    const script = `
      import { writeFileSync } from 'node:fs';
      writeFileSync(process.argv[3] + '/failure.json', JSON.stringify({ code: 'FILE_MISSING', message: 'no text.' }));
      process.exit(1);`;
    const made = schedule(script);
    await launchLocally(made, 2);
    expect(made.store.runs(made.plan)[0]).toMatchObject({ code: 'FILE_MISSING', reason: 'no text.' });
  });
});

describe('launchOnSlurm', () => {
  /** An sbatch that runs the tasks of the array one after the other. */
  function stubSbatch(body: string): void {
    const bin = scratchFolder();
    writeFileSync(join(bin, 'sbatch'), `#!/bin/bash\n${body}\n`);
    chmodSync(join(bin, 'sbatch'), 0o755);
    vi.stubEnv('PATH', `${bin}${delimiter}${process.env.PATH}`);
  }

  it('submits an array whose tasks write their rows', () => {
    const made = schedule(COPYING);
    prepare(made);
    stubSbatch(`
      [ "$1" = --parsable ] || exit 3
      LAST=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%2$/\\1/p' "$2")
      for i in $(seq 0 $LAST); do SLURM_ARRAY_TASK_ID=$i bash "$2" || exit 4; done
      echo "4711;cluster"`);
    const submitted = launchOnSlurm(made, 2, ['--gpus=1'])!;
    expect(submitted).toMatchObject({ job: '4711', tasks: made.plan.runs.length });
    const script = readFileSync(submitted.script, 'utf8');
    expect(script).toContain('#SBATCH --gpus=1\n');
    expect(script, 'the shell, which becomes the program, hears the signal').toContain(
      '#SBATCH --signal=B:TERM@120\n',
    );
    expect(script).toMatch(/^exec /m);
    expect(new Set(statuses(made))).toEqual(new Set(['submitted']));
    made.refresh();
    expect(new Set(statuses(made))).toEqual(new Set(['done']));
    expect(launchOnSlurm(made, 2, [])).toBeUndefined();
  });

  it('finds the failures of tasks in their folders', () => {
    const made = schedule();
    stubSbatch('echo 1');
    launchOnSlurm(made, 2, []);
    const { id } = made.plan.runs[0]!;
    writeFailure(runFolder(made.runs, id), { code: 'BACKEND_MISSING', message: 'no adapter.' });
    made.refresh();
    expect(made.store.run(id)).toMatchObject({ status: 'failed', code: 'BACKEND_MISSING' });
    expect(readJob(runFolder(made.runs, id)).run.id).toBe(id);
    expect(readRow(made.rows, id)).toBeUndefined();
  });

  it('leaves the list of an earlier submission alone, says so, and forgets why runs failed', async () => {
    const told: string[] = [];
    const made = schedule('process.exit(1)', SMALL, text => told.push(text));
    stubSbatch('echo 1');
    const first = launchOnSlurm(made, 2, [])!;
    const [run, other] = made.plan.runs;
    writeFailure(runFolder(made.runs, run!.id), { code: 'BACKEND_MISSING', message: 'no adapter.' });
    made.refresh();
    writeRow(made.rows, exampleRow(other!, 2));
    const before = readFileSync(first.script, 'utf8');
    await new Promise(resolve => setTimeout(resolve, 2));
    const second = launchOnSlurm(made, 2, [])!;
    expect(second.script).not.toBe(first.script);
    expect(readFileSync(first.script, 'utf8')).toBe(before);
    const lists = [first, second].map(({ script }) =>
      script.replace('array-', 'tasks-').replace(/sh$/, 'txt'),
    );
    expect(lists.map(list => readFileSync(list, 'utf8').trim().split('\n').length)).toEqual([3, 2]);
    expect(told).toEqual([expect.stringContaining('1 of them were submitted before')]);
    made.refresh();
    expect(made.store.run(run!.id)!.status).toBe('submitted');
  });

  it('says when sbatch refuses or is not there', () => {
    stubSbatch('echo "invalid partition" >&2; exit 1');
    expect(() => launchOnSlurm(schedule(), 1, [])).toThrow('invalid partition');
    vi.stubEnv('PATH', '/nowhere');
    expect(() => launchOnSlurm(schedule(), 1, [])).toThrow('cannot be started');
  });
});

describe('lockFolder', () => {
  it('keeps others out until it is released, and takes over from the dead', async () => {
    const folder = scratchFolder();
    const release = await lockFolder(folder, 'x.lock', 0);
    await expect(lockFolder(folder, 'x.lock', 0)).rejects.toThrow(`process ${process.pid} on`);
    release();
    expect(existsSync(join(folder, 'x.lock'))).toBe(false);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'x.lock'), JSON.stringify({ pid: 2 ** 22 + 1, host: hostname() }));
    (await lockFolder(folder, 'x.lock', 0))();
    writeFileSync(join(folder, 'x.lock'), JSON.stringify({ pid: 1, host: 'elsewhere' }));
    await expect(lockFolder(folder, 'x.lock', 0)).rejects.toThrow('elsewhere');
    rmSync(folder, { recursive: true });
  });
});
