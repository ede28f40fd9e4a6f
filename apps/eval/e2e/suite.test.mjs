// A suite from its first run to its report; killed, resumed, on one process and on two: the same tables.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { cli, filesIn, json, ok, start, timelessTables, until, workspace } from './support.mjs';

const AT = ['--runs', 'runs', '--results', 'results'];
const rows = folder => filesIn(join(folder, 'results/runs')).filter(name => name.endsWith('.json'));

/** Rows that a run in the making has logged. */
const steps = folder =>
  filesIn(join(folder, 'runs'))
    .filter(name => name.endsWith('metrics.jsonl'))
    .map(name => readFileSync(join(folder, 'runs', name), 'utf8').split('\n').length - 1);

/** The process of a run that is under way. */
const runningPid = folder =>
  filesIn(join(folder, 'runs'))
    .filter(name => name.endsWith('run.lock'))
    .flatMap(name => {
      try {
        return [json(join(folder, 'runs', name)).pid];
      } catch {
        return []; // it is being written, or has just gone
      }
    })
    .find(isAlive);

const isAlive = pid => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('one process, two processes, and a suite that is killed twice end with the same tables', async t => {
  const [one, two, killed] = [workspace(t), workspace(t), workspace(t)];
  const dry = await ok(one, ['run', 'suite.yaml', ...AT, '--dry-run', '--jobs', '1']);
  assert.match(dry.stdout, /7 runs \(1 of them timings\), 7 left: 7\.68 k tokens|7 left: 7680 tokens/);
  assert.equal(rows(one).length, 0, 'a dry run trains nothing');

  await ok(one, ['run', 'suite.yaml', ...AT, '--jobs', '1']);
  const expected = timelessTables(join(one, 'results'));
  assert.deepEqual(
    expected.map(table => table.id),
    ['T1', 'T1', 'T1', 'T9', 'T12', 'T13', 'C.2', 'C.3', 'E'],
  );
  assert.ok(expected.every(table => table.missing === 0));

  // T13 has its tests: three paired seeds
  const t13 = expected.find(table => table.id === 'T13');
  assert.match(t13.rows[0].cells[4], /^\d/);

  await ok(two, ['run', 'suite.yaml', ...AT, '--jobs', '2']);
  assert.deepEqual(timelessTables(join(two, 'results')), expected, 'jobs do not change numbers');

  // killed outright in the middle of a run: the run saves and ends by itself
  const first = start(killed, ['run', 'suite.yaml', ...AT, '--jobs', '1']);
  await until(() => steps(killed).some(n => n >= 5), 'some steps');
  first.child.kill('SIGKILL');
  await first.ended;
  const lock = join(
    killed,
    'runs',
    readdirSync(join(killed, 'runs')).find(name => existsSync(join(killed, 'runs', name, 'job.json'))),
    'run.lock',
  );
  await until(() => !existsSync(lock) || !isAlive(json(lock).pid), 'the orphan to end');
  assert.equal(rows(killed).length, 0);

  // then stopped by a word: it saves, says so, and its exit code says so
  const second = start(killed, ['resume', 'suite.yaml', ...AT, '--jobs', '2']);
  await until(() => rows(killed).length >= 2, 'two rows');
  second.child.kill('SIGINT');
  const stopped = await second.ended;
  assert.equal(stopped.code, 130, stopped.stderr);
  assert.match(stopped.stderr, /Continue with: spectra-eval resume/);
  const status = await ok(killed, ['status', 'suite.yaml', ...AT, '--json']);
  assert.ok(JSON.parse(status.stdout).some(run => run.status !== 'done'));

  // and a run whose process dies without a word is a failure with its reason; the next time it goes on
  const third = start(killed, ['resume', 'suite.yaml', ...AT, '--jobs', '1']);
  const pid = () => runningPid(killed);
  await until(() => pid() !== undefined, 'a run under way');
  process.kill(pid(), 'SIGKILL');
  const lost = await third.ended;
  assert.equal(lost.code, 1, lost.stderr);
  assert.match(lost.stderr, /failed: .*OUT_OF_MEMORY: its process ended by signal SIGKILL/);
  const reasons = json(join(killed, 'results/tiny/tables.json')).flatMap(table =>
    table.rows.flatMap(row => row.failures.map(failure => failure.reason)),
  );
  assert.ok(
    reasons.some(reason => reason.startsWith('OUT_OF_MEMORY')),
    'the report tells it too',
  );
  await ok(killed, ['resume', 'suite.yaml', ...AT, '--jobs', '2']);
  assert.deepEqual(timelessTables(join(killed, 'results')), expected, 'interruptions do not change numbers');
});

test('another clone goes on from the rows alone, which are committed as they come, and trains nothing twice', async t => {
  const [here, there] = [workspace(t), workspace(t)];
  const outside = await cli(here, ['run', 'suite.yaml', ...AT, '--commit']);
  assert.equal(outside.code, 2, outside.stderr);
  assert.match(outside.stderr, /in no git repository/);
  const git = (...args) => execFileSync('git', ['-C', here, ...args], { encoding: 'utf8' }).trim();
  git('init', '--quiet');
  git('config', 'user.name', 'Tester');
  git('config', 'user.email', 'tester@example.org');
  await ok(here, ['run', 'suite.yaml', ...AT, '--commit']);
  const messages = git('log', '--format=%s').split('\n');
  assert.ok(messages.includes('Record SPECTRA, seed 0.'), messages.join('\n'));
  assert.equal(git('ls-files').split('\n').length, 7, 'every row and nothing else');
  cpSync(join(here, 'results/runs'), join(there, 'results/runs'), { recursive: true });
  const one = rows(there)[0];
  rmSync(join(there, 'results/runs', one));
  const again = await ok(there, ['run', 'suite.yaml', ...AT]);
  assert.match(again.stderr, /7 runs, 6 on record, 1 to make/);
  assert.deepEqual(timelessTables(join(there, 'results')), timelessTables(join(here, 'results')));
  assert.match((await ok(there, ['run', 'suite.yaml', ...AT])).stderr, /7 on record, 0 to make/);

  // the report says the same however often it is written
  const read = name => readFileSync(join(there, 'results/tiny', name), 'utf8');
  const before = ['report.html', 'report.md', 'tables.tex'].map(read);
  await ok(there, ['report', 'suite.yaml', ...AT]);
  assert.deepEqual(['report.html', 'report.md', 'tables.tex'].map(read), before);
});

test('an arm that diverges or is not valid is a row with its reason; the rest goes on; the exit code says so', async t => {
  const folder = workspace(t);
  const result = await cli(folder, ['run', 'failing.yaml', ...AT]);
  assert.equal(result.code, 1);
  assert.match(result.stderr, /failed: wild, seed 0: DIVERGED/);
  assert.match(result.stderr, /not valid: T1 broken seed 0: CONFIG_INVALID/);
  const [table] = json(join(folder, 'results/failing/tables.json'));
  const row = label => table.rows.find(found => found.label === label);
  assert.match(row('wild').failures[0].reason, /^DIVERGED/);
  assert.match(row('broken').failures[0].reason, /^CONFIG_INVALID: model\.moe\.k/);
  assert.ok(row('Switch-2').cells[0].value > 0);
  assert.equal(rows(folder).length, 2, 'what diverged is on record');
  assert.match((await cli(folder, ['run', 'failing.yaml', ...AT])).stderr, /0 to make/);
});

test('a cluster makes the same rows', async t => {
  const folder = workspace(t);
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'sbatch'),
    '#!/bin/bash\nLAST=$(sed -n \'s/^#SBATCH --array=0-\\([0-9]*\\)%.*$/\\1/p\' "$2")\n' +
      'for i in $(seq 0 $LAST); do SLURM_ARRAY_TASK_ID=$i bash "$2" >&2 || true; done\necho 42\n',
  );
  chmodSync(join(bin, 'sbatch'), 0o755);
  const env = { PATH: `${bin}${delimiter}${process.env.PATH}` };
  const submitted = await ok(
    folder,
    ['run', 'failing.yaml', ...AT, '--launcher', 'slurm', '--slurm-option', '--time=1:00:00'],
    env,
  );
  assert.match(submitted.stdout, /submitted job 42 of 2 tasks/);
  const committing = await cli(
    folder,
    ['run', 'failing.yaml', ...AT, '--launcher', 'slurm', '--commit'],
    env,
  );
  assert.equal(committing.code, 2);
  assert.match(committing.stderr, /a job of a cluster cannot commit its row/);
  const status = JSON.parse((await ok(folder, ['status', 'failing.yaml', ...AT, '--json'])).stdout);
  assert.deepEqual(status.map(run => run.status).sort(), ['done', 'failed']);
  await ok(folder, ['report', 'failing.yaml', ...AT]);
});

test('tasks and trace read a run of the suite', async t => {
  const folder = workspace(t);
  await cli(folder, ['run', 'failing.yaml', ...AT]);
  const done = JSON.parse((await ok(folder, ['status', 'failing.yaml', ...AT, '--json'])).stdout).find(
    run => run.status === 'done',
  );
  const run = join('runs', done.id);
  const line = { goal: 'To open a jar', sol1: 'twist it', sol2: 'burn it', label: 0 };
  writeFileSync(join(folder, 'piqa.jsonl'), `${JSON.stringify(line)}\n`);
  const tasks = await ok(folder, [
    'tasks',
    run,
    '--tasks',
    'held_out,piqa=piqa.jsonl',
    '--limit',
    '3',
    '--out',
    'out',
    '--json',
  ]);
  const { results } = JSON.parse(tasks.stdout);
  assert.ok(results.held_out['bits_per_byte,none'] > 1);
  assert.ok(results.held_out['bits_per_byte_stderr,none'] > 0);
  assert.ok([0, 1].includes(results.piqa['acc,none']));
  const files = filesIn(join(folder, 'out'));
  assert.deepEqual(
    files.map(name => name.replace(/_\d{4}-.*\./, '.')),
    ['results.json', 'samples_held_out.jsonl', 'samples_piqa.jsonl'],
  );

  const traced = JSON.parse((await ok(folder, ['trace', run, '--text', 'a whale', '--json'])).stdout);
  assert.equal(traced.map(token => token.text).join(''), 'a whale');
  assert.equal(traced[0].experts.length, 2);
  assert.match((await ok(folder, ['trace', run, '--text', 'a whale'])).stdout, /layer 1/);
  await ok(folder, ['trace', run, '--text', 'a whale', '--html', 'trace.html']);
  assert.match(readFileSync(join(folder, 'trace.html'), 'utf8'), /Experts by token/);
});

test('what cannot be understood is exit code 2, what is not there 1', async t => {
  const folder = workspace(t);
  writeFileSync(join(folder, 'bad.yaml'), 'name: x\nsedes: [1]\n');
  for (const [args, code, message] of [
    [['run', 'bad.yaml', ...AT], 2, /did you mean seeds/],
    [['run', 'none.yaml', ...AT], 1, /cannot be read/],
    [['resume', 'suite.yaml', ...AT], 1, /no suite was begun/],
    [['run', 'suite.yaml', '--jobs', '0'], 2, /above 0/],
    [['trace', 'none', '--text', 'x'], 1, /neither a run nor a model/],
    [['tasks', 'none'], 2, /--tasks/],
  ]) {
    const result = await cli(folder, args);
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, message);
  }
});
