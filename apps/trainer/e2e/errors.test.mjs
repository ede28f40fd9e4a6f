// Every mistake has a code, an exit status and a fix, and leaves nothing half written.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkpoints, cli, filesIn, json, ok, rows, set, workspace } from './support.mjs';

/** Runs and expects an exit code and a message, and no new file. */
async function refuses(folder, args, code, message, options) {
  const before = filesIn(folder);
  const result = await cli(folder, args, options);
  assert.equal(result.code, code, `${args.join(' ')}\n${result.stderr}`);
  assert.match(result.stderr, message);
  assert.doesNotMatch(result.stderr, /^ {4}at .*\.[jt]s:\d+/m, 'no stack');
  assert.deepEqual(filesIn(folder), before);
}

const trainWith = (...pairs) => ['train', 'tiny.yaml', ...set(...pairs)];

test('configuration: exit 2 with the key, what it must be and the nearest known one', async t => {
  const folder = workspace(t);
  writeFileSync(join(folder, 'broken.yaml'), 'name: x\ntrain: [1\n');
  const cases = [
    [
      ['train', 'broken.yaml'],
      /^error CONFIG_INVALID: not valid YAML: .* at line \d+, column \d+\. \(at broken\.yaml\)/m,
    ],
    [trainWith('train.stesp=3'), /^error CONFIG_INVALID: unknown key train\.stesp \(did you mean steps\?\)/m],
    [
      trainWith('train.steps=many'),
      /^error CONFIG_INVALID: train\.steps: .*expected number, received string/m,
    ],
    [
      trainWith('model.vocab_size=100'),
      /^error CONFIG_INVALID: the tokenizer has 256 tokens, model\.vocab_size is 100/m,
    ],
    [['config', 'validate', 'tiny.yaml', ...set('seed=-1')], /^error CONFIG_INVALID: seed: /m],
  ];
  for (const [args, message] of cases) await refuses(folder, args, 2, message);
});

test('usage: exit 2', async t => {
  const folder = workspace(t);
  const cases = [
    [trainWith('steps'), /^error USAGE: --set steps is not of the form key\.path=value/m],
    [
      trainWith('train.steps=[1'),
      /^error USAGE: the value is not valid YAML: .*\(at --set train\.steps=\[1\)/m,
    ],
    [['train'], /missing required argument 'config'/],
    [['train', 'tiny.yaml', '--frobnicate'], /unknown option '--frobnicate'/],
    [['train', 'tiny.yaml', '--resume', '--overwrite'], /cannot be used with/],
    [['trian', 'tiny.yaml'], /unknown command 'trian'/],
    [['generate', 'x', '--tokens', 'many'], /'many' is invalid\. It must be a whole number/],
    [['generate', 'x', '--temperature', '-1'], /It must be 0 or more/],
    [['eval', 'x', '--backend', 'gpu'], /Allowed choices are auto, wasm, webgpu, tensorflow, cpu/],
  ];
  for (const [args, message] of cases) await refuses(folder, args, 2, message);
  assert.equal((await cli(folder, ['--help'])).code, 0);
  assert.match((await ok(folder, ['--version'])).stdout, /^\d+\.\d+\.\d+$/m);
});

test('missing and empty files, and folders that are no runs: exit 1', async t => {
  const folder = workspace(t);
  writeFileSync(join(folder, 'empty.txt'), '');
  writeFileSync(join(folder, 'lines.jsonl'), '{"text": "a"}\nnot json\n');
  mkdirSync(join(folder, 'nothing'));
  const cases = [
    [['train', 'gone.yaml'], /^error FILE_MISSING: .*\(at gone\.yaml\) Fix: /m],
    [trainWith('data.corpora.0.paths=[gone.txt]'), /^error FILE_MISSING: .*\(at gone\.txt\) Fix: /m],
    [
      trainWith('data.corpora.0.paths=[empty.txt]'),
      /^error CORPUS_INVALID: the file is empty\. \(at empty\.txt\)/m,
    ],
    [trainWith('data.corpora.0.paths=[lines.jsonl]'), /^error CORPUS_INVALID: .*lines\.jsonl/m],
    [trainWith('runs_dir=words.txt'), /^error FILE_MISSING: cannot write: ENOTDIR/m],
    [['resume', 'nothing'], /^error FILE_MISSING: .*no run folder/m],
    [['inspect', 'nothing'], /^error FILE_MISSING: .*neither a run nor a model folder/m],
  ];
  for (const [args, message] of cases) await refuses(folder, args, 1, message);
});

test('a backend that is not here: exit 3 with a fix', async t => {
  const folder = workspace(t);
  const findings = JSON.parse((await ok(folder, ['doctor', '--json'])).stdout);
  const missing = findings.filter(({ name, ok: there }) => ['tensorflow', 'webgpu'].includes(name) && !there);
  if (missing.length === 0) t.diagnostic('not tested: this machine has every backend');
  for (const { name } of missing)
    await refuses(folder, trainWith(`backend=${name}`), 3, /error BACKEND_MISSING: .* Fix: /);
});

test('a run that diverges: exit 4, the last checkpoint before stays whole', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  const wild = ['optim.lr=1e30', 'train.steps=50', 'train.micro_batches=2'];
  const { code, stderr } = await cli(folder, trainWith(...wild, 'train.checkpoint_every=1'));
  assert.equal(code, 4, stderr);
  assert.match(stderr, /^error DIVERGED: .* \(at step \d+\) Fix: Lower optim\.lr/m);
  assert.match(stderr, /^The last checkpoint before is step \d+ in .*checkpoints\.$/m);
  const last = checkpoints(run).at(-1);
  assert.equal(
    rows(run).findLast(row => row.loss !== undefined).step,
    last,
    'only good steps are in the metrics',
  );
  await ok(folder, ['inspect', join(run, 'checkpoints', `step-${last}`), '--json']);
  assert.ok(!filesIn(run).includes('summary.json'));
  const threads = await cli(
    folder,
    trainWith(...wild, 'name=threads', 'train.workers=2', 'train.checkpoint_every=0'),
  );
  assert.equal(threads.code, 4, threads.stderr);
  assert.match(threads.stderr, /^No checkpoint was saved before\.$/m);
});

test('a disk that takes no more: DISK_FULL, the checkpoint before stays whole and is resumed from', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  await ok(folder, trainWith('train.max_seconds=0.001'));
  // the largest file of this checkpoint has 130 kB; blocks have 512 or 1024 bytes, by shell
  const { code, stderr } = await cli(folder, ['train', 'tiny.yaml', '--resume'], { shell: 'ulimit -f 100' });
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^error DISK_FULL: the write failed \(EFBIG\)/m);
  assert.deepEqual(
    filesIn(join(run, 'checkpoints')).filter(name => !name.includes('step-1')),
    [],
    'nothing half written',
  );
  await ok(folder, ['resume', run]);
  assert.deepEqual(checkpoints(run), [2, 4, 6]);
});

test('a full disk: DISK_FULL, and the run goes on once there is room', async t => {
  const folder = workspace(t);
  const disk = join(folder, 'runs');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=480k', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    t.diagnostic('not tested: a small file system cannot be mounted here (that needs root)');
    return;
  }
  const run = join(disk, 'tiny');
  try {
    const { code, stderr } = await cli(
      folder,
      trainWith('train.steps=4', 'train.checkpoint_every=1', 'train.eval_every=0'),
    );
    assert.equal(code, 1, stderr);
    assert.match(
      stderr,
      /^error DISK_FULL: no space is left on the disk \(ENOSPC\)\. .*Fix: Free some space/m,
    );
    assert.deepEqual(checkpoints(run), [1, 2]);
    assert.deepEqual(
      filesIn(join(run, 'checkpoints')).filter(name => name.startsWith('.tmp-')),
      [],
    );
    execFileSync('mount', ['-o', 'remount,size=8m', disk]);
    await ok(folder, ['resume', run]);
    assert.deepEqual(checkpoints(run), [2, 3, 4]);
    assert.equal(json(join(run, 'summary.json')).steps, 4);
    assert.deepEqual(
      rows(run)
        .filter(row => row.loss !== undefined)
        .map(row => row.step),
      [1, 2, 3, 4],
    );
  } finally {
    execFileSync('umount', [disk]);
  }
});
