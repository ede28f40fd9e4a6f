// A run that was killed, stopped or damaged and then resumed is the run that never stopped, parameter for parameter.
import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  checkpoints,
  cli,
  filesIn,
  json,
  ok,
  rows,
  set,
  start,
  timeless,
  until,
  without,
  workspace,
} from './support.mjs';

const STEPS = 20;
const LONG = set(
  `train.steps=${STEPS}`,
  'train.eval_every=10',
  'train.checkpoint_every=4',
  'train.micro_batches=2',
  'train.keep_checkpoints=9',
);
const at = (run, step, file) => join(run, 'checkpoints', `step-${step}`, file);

/** The run that nobody interrupts. */
const quiet = workspace({ after });
const expected = join(quiet, 'runs', 'tiny');
before(() => ok(quiet, ['train', 'tiny.yaml', ...LONG]));

function assertSameRun(run) {
  for (const file of ['model.safetensors', 'optimizer.safetensors', 'config.json']) {
    assert.ok(readFileSync(at(run, STEPS, file)).equals(readFileSync(at(expected, STEPS, file))), file);
  }
  const state = path => without(json(at(path, STEPS, 'state.json')), ['train_seconds']);
  assert.deepEqual(state(run), state(expected));
  assert.deepEqual(timeless(run), timeless(expected));
  assert.deepEqual(
    filesIn(join(run, 'checkpoints')).filter(name => name.startsWith('.tmp-')),
    [],
    'nothing is left of a killed writer',
  );
}

test('N steps = some steps, SIGKILL, resume', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  const { child, ended } = start(folder, ['train', 'tiny.yaml', ...LONG]);
  await until(() => rows(run).length >= 10, 'row 10');
  child.kill('SIGKILL');
  assert.equal((await ended).code, 'SIGKILL');
  assert.ok(!checkpoints(run).includes(STEPS), 'it was killed on its way');
  const last = checkpoints(run).at(-1);
  const { stderr } = await ok(folder, ['resume', run]);
  assert.match(stderr, new RegExp(`resuming from .*step-${last}$`, 'm'));
  assertSameRun(run);
  await t.test('resuming a finished run changes nothing but summary and report', async () => {
    await ok(folder, ['resume', run]);
    assertSameRun(run);
  });
});

test('killed while a checkpoint is written, before a file is whole or before the rename', async t => {
  const folder = workspace(t);
  const hook = `--import=${new URL('./die-while-saving.mjs', import.meta.url)}`;
  for (const [name, moment] of [
    ['write', 'write optimizer.safetensors of step-8'],
    ['rename', 'rename step-8'],
  ]) {
    const args = ['train', 'tiny.yaml', ...LONG, ...set(`runs_dir=${name}`)];
    const { code } = await cli(folder, args, { env: { NODE_OPTIONS: hook, SPECTRA_TEST_DIE: moment } });
    assert.equal(code, 'SIGKILL');
    const run = join(folder, name, 'tiny');
    assert.ok(
      filesIn(join(run, 'checkpoints')).some(file => file.startsWith('.tmp-')),
      'a half-written checkpoint is there',
    );
    assert.deepEqual(checkpoints(run), [4]);
    await ok(folder, ['train', 'tiny.yaml', '--resume', ...LONG, ...set(`runs_dir=${name}`)]);
    assertSameRun(run);
  }
});

test('Ctrl-C finishes the step and saves: 130; SIGTERM: 143; both go on where they stopped', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  const stopAfter = async (signal, args, row) => {
    const { child, ended } = start(folder, args);
    await until(() => rows(run).length >= row, `row ${row}`);
    child.kill(signal);
    const { code, stderr } = await ended;
    const step = checkpoints(run).at(-1);
    assert.equal(rows(run).findLast(found => found.loss !== undefined).step, step, 'the last step is saved');
    assert.match(stderr, /Stopping after this step/);
    assert.match(stderr, new RegExp(`Saved at step ${step}\\. Continue with: spectra-trainer resume `));
    assert.ok(step < STEPS);
    return code;
  };
  assert.equal(await stopAfter('SIGINT', ['train', 'tiny.yaml', ...LONG], 3), 130);
  assert.ok(!filesIn(run).includes('summary.json'));
  assert.equal(await stopAfter('SIGTERM', ['resume', run], 9), 143);
  await ok(folder, ['resume', run]);
  assertSameRun(run);
});

test('whoever reads the output may end first', async t => {
  const folder = workspace(t);
  const { child, ended } = start(folder, ['train', 'tiny.yaml']);
  child.stdout.destroy();
  child.stderr.destroy();
  assert.equal((await ended).code, 0);
  assert.deepEqual(checkpoints(join(folder, 'runs', 'tiny')).at(-1), 6);
});

test('a run whose folder has a name that configurations may not have is resumed, and again', async t => {
  const folder = workspace(t);
  await ok(folder, ['train', 'tiny.yaml']);
  const moved = join(folder, 'runs', 'tiny (copy)');
  renameSync(join(folder, 'runs', 'tiny'), moved);
  for (let i = 0; i < 2; i++) await ok(folder, ['resume', moved]);
  await ok(folder, ['inspect', moved]);
});

test('a second Ctrl-C aborts at once', async t => {
  const folder = workspace(t);
  const { child, out, ended } = start(folder, ['train', 'tiny.yaml', ...set('train.micro_batches=2000')]);
  const run = join(folder, 'runs', 'tiny');
  await until(() => filesIn(run).includes('metrics.jsonl'), 'the run to begin');
  child.kill('SIGINT');
  await until(() => out.stderr.includes('press Ctrl-C again to abort'), 'the announcement');
  child.kill('SIGINT');
  assert.equal((await ended).code, 130);
  assert.deepEqual(checkpoints(run), []);
});

test('a truncated or changed checkpoint is passed over and made anew; without another it is CHECKPOINT_MISSING', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  await ok(folder, ['train', 'tiny.yaml']);
  const whole = readFileSync(at(run, 6, 'model.safetensors'));
  const before = timeless(run);
  truncateSync(at(run, 6, 'model.safetensors'), 1000);
  const changed = readFileSync(at(run, 4, 'optimizer.safetensors'));
  changed[changed.length - 1] ^= 1;
  writeFileSync(at(run, 4, 'optimizer.safetensors'), changed);
  const { stderr } = await ok(folder, ['resume', run]);
  assert.match(stderr, /passed over .*step-6: it has 1000 bytes instead of \d+/);
  assert.match(stderr, /passed over .*step-4: its sha256 is not the one in the manifest/);
  assert.match(stderr, /resuming from .*step-2$/m);
  assert.ok(readFileSync(at(run, 6, 'model.safetensors')).equals(whole));
  assert.deepEqual(timeless(run), before);

  for (const step of [2, 4, 6]) rmSync(at(run, step, 'DONE'));
  const kept = filesIn(run);
  for (const args of [
    ['resume', run],
    ['generate', run],
    ['train', 'tiny.yaml', '--resume'],
  ]) {
    const refused = await cli(folder, args);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /^error CHECKPOINT_MISSING: .*no DONE marker/m);
  }
  assert.deepEqual(filesIn(run), kept);
  const named = await cli(folder, ['inspect', join(run, 'checkpoints', 'step-4')]);
  assert.equal(named.code, 1);
  assert.match(named.stderr, /^error CHECKPOINT_BROKEN: /m);
});

test('only what does not decide the numbers may change on resume', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  await ok(folder, ['train', 'tiny.yaml', ...set('train.max_seconds=0.001')]);
  const before = filesIn(run);
  const refused = await cli(folder, [
    'train',
    'tiny.yaml',
    '--resume',
    ...set('model.hidden_size=32', 'optim.lr=0.5'),
  ]);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^error CHECKPOINT_MISMATCH: .*model\.hidden_size was 16, is 32; optim\.lr was 0\.01, is 0\.5/m,
  );
  const config = readFileSync(join(run, 'config.yaml'), 'utf8');
  writeFileSync(join(run, 'config.yaml'), config.replace('num_hidden_layers: 2', 'num_hidden_layers: 3'));
  const edited = await cli(folder, ['resume', run]);
  assert.match(edited.stderr, /^error CHECKPOINT_MISMATCH: .*model\.num_hidden_layers was 2, is 3/m);
  writeFileSync(join(run, 'config.yaml'), config);
  writeFileSync(join(folder, 'words.txt'), 'another text. '.repeat(100));
  const texts = await cli(folder, ['train', 'tiny.yaml', '--resume']);
  assert.equal(texts.code, 1);
  assert.match(texts.stderr, /^error CHECKPOINT_MISMATCH: /m);
  assert.deepEqual(filesIn(run), before);
});
