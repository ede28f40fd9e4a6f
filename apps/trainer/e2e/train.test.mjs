// What a run leaves behind, and that the same seed leaves the same.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  checkpoints,
  cli,
  filesIn,
  json,
  ok,
  rows,
  safetensors,
  set,
  TIMING_KEYS,
  timeless,
  without,
  workspace,
} from './support.mjs';

const SUMMARY_KEYS = [
  'eval_loss',
  'unigram_entropy',
  'baseline_eval_loss',
  'load_cv',
  'load_cv_causal',
  'gram_orthogonality',
  'train_tokens_per_second',
  'seconds',
];

test('train writes configuration, metrics, events, checkpoints, summary and report', async t => {
  const folder = workspace(t);
  const { stdout, stderr } = await ok(folder, [
    'train',
    'tiny.yaml',
    ...set('seed=3', 'sample.prompts=["the "]', 'sample.tokens=6'),
  ]);
  const run = join(folder, 'runs', 'tiny');

  const printed = await ok(folder, ['config', 'print', join(run, 'config.yaml')]);
  assert.equal(
    readFileSync(join(run, 'config.yaml'), 'utf8'),
    printed.stdout,
    'every default is written out',
  );
  assert.match(printed.stdout, /^seed: 3$/m);
  assert.match(printed.stdout, /^ {4}final_ratio: 0.1$/m);

  const steps = rows(run).filter(row => row.loss !== undefined);
  assert.deepEqual(
    steps.map(row => row.step),
    [1, 2, 3, 4, 5, 6],
  );
  for (const row of steps) {
    for (const key of ['loss', 'learning_rate', 'grad_norm', 'epoch', 'train_tokens_per_second', 'load_cv'])
      assert.ok(Number.isFinite(row[key]), key);
  }
  assert.deepEqual(
    rows(run)
      .filter(row => row.eval_loss !== undefined)
      .map(row => row.step),
    [4, 6],
  );
  const events = readdirSync(run).filter(name => name.startsWith('events.out.tfevents.'));
  assert.equal(events.length, 1);
  assert.ok(readFileSync(join(run, events[0])).includes('learning_rate'));

  assert.deepEqual(checkpoints(run), [2, 4, 6]);
  assert.deepEqual(filesIn(join(run, 'checkpoints', 'step-6')), [
    'DONE',
    'config.json',
    'config.yaml',
    'manifest.json',
    'model.safetensors',
    'optimizer.safetensors',
    'state.json',
  ]);
  const { files } = json(join(run, 'checkpoints', 'step-6', 'manifest.json'));
  for (const { size, sha256 } of Object.values(files)) assert.ok(size > 0 && /^[0-9a-f]{64}$/.test(sha256));

  const summary = json(join(run, 'summary.json'));
  for (const key of SUMMARY_KEYS) {
    if (key === 'baseline_eval_loss') assert.equal(summary[key], null, 'nothing was compared');
    else assert.ok(Number.isFinite(summary[key]), `${key} is ${summary[key]}`);
  }
  assert.equal(summary.steps, 6);
  assert.equal(summary.eval_loss, rows(run).at(-1).eval_loss);

  const html = readFileSync(join(run, 'report.html'), 'utf8');
  const addresses = html.match(/\b(?:https?:|wss?:)?\/\/[\w.]+[^\s"'<)]*/g) ?? [];
  assert.deepEqual(
    addresses.filter(address => !address.startsWith('http://www.w3.org/')),
    [],
    'the report asks no network',
  );
  assert.ok(html.includes('default-src &#39;none&#39;'), 'and forbids itself to');
  assert.ok(html.includes('<svg'), 'it has plots');
  assert.match(stdout, /held-out loss .* unigram entropy/);
  assert.match(stderr, /^step 1\/6 {2}loss /m);
});

test('the same seed gives the same run bit for bit, with one thread or two; another seed another', async t => {
  const folder = workspace(t);
  const train = (name, ...pairs) =>
    ok(folder, ['train', 'tiny.yaml', ...set(`name=${name}`, 'train.micro_batches=3', ...pairs)]);
  await Promise.all([train('a'), train('b')]);
  await Promise.all([train('threads', 'train.workers=2'), train('other', 'seed=1')]);
  const run = name => join(folder, 'runs', name);
  const weights = name => readFileSync(join(run(name), 'checkpoints', 'step-6', 'model.safetensors'));
  const moments = name => readFileSync(join(run(name), 'checkpoints', 'step-6', 'optimizer.safetensors'));
  const summary = name => without(json(join(run(name), 'summary.json')), [...TIMING_KEYS, 'name']);
  for (const name of ['b', 'threads']) {
    assert.ok(weights(name).equals(weights('a')), `weights of ${name}`);
    assert.ok(moments(name).equals(moments('a')), `moments of ${name}`);
    assert.deepEqual(timeless(run(name)), timeless(run('a')));
    assert.deepEqual(summary(name), summary('a'));
  }
  assert.ok(!weights('other').equals(weights('a')));
});

test('a dense model and softmax top-k train, too', async t => {
  const folder = workspace(t);
  const dense = readFileSync(join(folder, 'tiny.yaml'), 'utf8').replace(/^ {2}moe:.*\n/m, '');
  writeFileSync(join(folder, 'dense.yaml'), dense);
  await Promise.all([
    ok(folder, ['train', 'dense.yaml', ...set('name=dense', 'train.steps=2')]),
    ok(folder, [
      'train',
      'tiny.yaml',
      ...set('name=switch', 'train.steps=2', 'model.moe.router={kind: softmax-topk}'),
    ]),
  ]);
  assert.equal(json(join(folder, 'runs', 'dense', 'summary.json')).load_cv, null);
  const tensors = Object.keys(
    safetensors(join(folder, 'runs', 'switch', 'checkpoints', 'step-2', 'model.safetensors')),
  );
  assert.ok(tensors.some(name => name.includes('experts')));
  assert.ok(Number.isFinite(json(join(folder, 'runs', 'switch', 'summary.json')).load_cv_causal));
});

test('--dry-run prints sizes and times and writes nothing', async t => {
  const folder = workspace(t);
  const before = filesIn(folder);
  const { stdout } = await ok(folder, ['train', 'tiny.yaml', '--dry-run']);
  for (const word of ['backend', 'parameters', 'first loss', 'micro-batch', 'whole run'])
    assert.ok(stdout.includes(word), word);
  assert.deepEqual(filesIn(folder), before);
});

test('a time limit ends a run with summary and report, and it can be continued', async t => {
  const folder = workspace(t);
  await ok(folder, ['train', 'tiny.yaml', ...set('train.max_seconds=0.001')]);
  const run = join(folder, 'runs', 'tiny');
  assert.deepEqual(checkpoints(run), [1]);
  assert.equal(json(join(run, 'summary.json')).stopped, 'max_seconds');
  await ok(folder, ['train', 'tiny.yaml', '--resume']);
  assert.deepEqual(checkpoints(run), [2, 4, 6]);
  assert.equal(json(join(run, 'summary.json')).stopped, null);
  assert.doesNotMatch(readFileSync(join(run, 'config.yaml'), 'utf8'), /max_seconds/);
});

test('--overwrite replaces a run; without it or --resume the run stays', async t => {
  const folder = workspace(t);
  const run = join(folder, 'runs', 'tiny');
  await ok(folder, ['train', 'tiny.yaml', ...set('train.steps=2')]);
  const before = readFileSync(join(run, 'metrics.jsonl'));
  const refused = await cli(folder, ['train', 'tiny.yaml', ...set('train.steps=1')]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /^error FILE_EXISTS: .*--resume.*--overwrite/m);
  assert.ok(readFileSync(join(run, 'metrics.jsonl')).equals(before));
  // a mistake must not cost the old run
  const mistaken = await cli(folder, [
    'train',
    'tiny.yaml',
    '--overwrite',
    ...set('data.corpora.0.paths=[gone.txt]'),
  ]);
  assert.equal(mistaken.code, 1);
  assert.ok(readFileSync(join(run, 'metrics.jsonl')).equals(before));
  await ok(folder, ['train', 'tiny.yaml', '--overwrite', ...set('train.steps=1')]);
  assert.deepEqual(
    rows(run).map(row => row.step),
    [1, 1],
  );
  assert.deepEqual(checkpoints(run), [1]);
  assert.equal(existsSync(join(run, 'report.html')), true);
});
