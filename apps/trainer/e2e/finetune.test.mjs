// Training from a model folder: in part, on conversations, stopped and resumed, and what becomes of it.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { tinyChatFiles } from '../../../tools/testing/src/tiny-chat.ts';
import { cli, filesIn, json, ok, root, set, timeless, workspace } from './support.mjs';

const CONFIG = `
name: tuned
backend: wasm
model: { from: model }
data:
  corpora: [{ domain: talk, source: chat, paths: [talk.jsonl] }]
  length: 96
  batch: 2
  held_out: 0.1
train: { steps: 6, eval_tokens: 192, checkpoint_every: 2, keep_checkpoints: 9, micro_batches: 2, embedding_noise: 5 }
optim: { lr: 1.0e-2, groups: [{ role: router, lr_ratio: 2 }, { match: 'experts', lr_ratio: 1 }, { lr_ratio: 0 }] }
sample: { prompts: ['the '], tokens: 4 }
`;

/** A workspace with tuned.yaml, a model with a tokenizer, and conversations. */
function tuning(t, fixture = 'mixtral') {
  const folder = workspace(t);
  writeFileSync(join(folder, 'tuned.yaml'), CONFIG);
  cpSync(join(root, 'fixtures', 'hf', fixture), join(folder, 'model'), { recursive: true });
  for (const [name, text] of Object.entries(tinyChatFiles()))
    writeFileSync(join(folder, 'model', name), text);
  const talk = Array.from({ length: 80 }, (_, i) => [
    { role: 'user', content: `Is ${i} odd?` },
    { role: 'assistant', content: i % 2 === 1 ? 'yes' : 'no' },
  ]);
  writeFileSync(
    join(folder, 'talk.jsonl'),
    talk.map(messages => `${JSON.stringify({ messages })}\n`).join(''),
  );
  return folder;
}

const at = (folder, step, file) => join(folder, 'runs', 'tuned', 'checkpoints', `step-${step}`, file);

/** Names of the tensors in a safetensors file, with their bytes. */
function tensors(path) {
  const bytes = readFileSync(path);
  const begin = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...header } = JSON.parse(bytes.toString('utf8', 8, begin));
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [name, bytes.subarray(begin + from, begin + to)],
    ),
  );
}

test('a model is trained in part, and is a model again', async t => {
  const folder = tuning(t);
  const dry = await ok(folder, ['train', 'tuned.yaml', '--dry-run']);
  assert.match(dry.stdout, /^parameters +[\d.]+ k, [\d.]+ k of them trained: /m);
  assert.match(dry.stdout, /^ {2}group 0 .*\(router\), learning rate × 2$/m);
  assert.match(dry.stdout, /^ {2}group 1 .*\(any role, \/experts\/\), learning rate × 1$/m);
  assert.match(dry.stdout, /^ {2}group 2 .*\(any role\), frozen$/m);
  assert.ok(!filesIn(folder).some(name => name.startsWith('runs')), 'a dry run writes nothing');

  const { stderr } = await ok(folder, ['train', 'tuned.yaml']);
  assert.match(stderr, /^training [\d.]+ k of [\d.]+ k parameters$/m);
  const [before, after] = [
    tensors(join(folder, 'model', 'model.safetensors')),
    tensors(at(folder, 6, 'model.safetensors')),
  ];
  assert.deepEqual([...after.keys()].sort(), [...before.keys()].sort());
  for (const [name, bytes] of before) {
    const trained = /experts|\.gate\.weight/.test(name);
    assert.equal(after.get(name).equals(bytes), !trained, name);
  }
  const summary = json(join(folder, 'runs', 'tuned', 'summary.json'));
  const sizes = [...before].map(([name, { length }]) => [name, length / 4]);
  const total = of => of.reduce((sum, [, size]) => sum + size, 0);
  assert.equal(summary.parameters, total(sizes));
  assert.equal(
    summary.trainable_parameters,
    total(sizes.filter(([name]) => /experts|\.gate\.weight/.test(name))),
  );

  const { stdout: seen } = await ok(folder, ['inspect', 'runs/tuned']);
  assert.match(seen, /, [\d.]+ k trained by its run$/m);
  const chat = ['--chat', '--prompt', 'Is 5 odd?', '--tokens', '3', '--temperature', '0', '--json'];
  const answer = JSON.parse((await ok(folder, ['generate', 'runs/tuned', ...chat])).stdout);
  assert.equal(answer.prompt, '<|im_start|>user\nIs 5 odd?<|im_end|>\n<|im_start|>assistant\n');
  // the checkpoint is a folder of its own: elsewhere it says the same
  cpSync(at(folder, 6, '.'), join(folder, 'alone'), { recursive: true });
  const alone = JSON.parse((await ok(folder, ['generate', 'alone', ...chat])).stdout);
  assert.deepEqual(alone, answer);
  const inputs = join(root, 'fixtures', 'hf', 'mixtral', 'inputs.json');
  await ok(folder, ['forward', 'alone', '--input', inputs, '--out', 'out.safetensors', '--backend', 'wasm']);
  const { stdout: results } = await ok(folder, ['eval', 'alone', '--config', 'tuned.yaml', '--json']);
  assert.equal(JSON.parse(results).domains[0].loss, summary.eval_loss);
});

test('stopped and resumed, with other threads and the model gone, it is the same run', async t => {
  const [quiet, folder] = [tuning(t), tuning(t)];
  await ok(quiet, ['train', 'tuned.yaml']);
  await ok(folder, ['train', 'tuned.yaml', ...set('train.max_seconds=0.001', 'train.workers=2')]);
  renameSync(join(folder, 'model'), join(folder, 'elsewhere'));
  await ok(folder, ['train', 'tuned.yaml', '--resume']);
  for (const file of ['model.safetensors', 'optimizer.safetensors', 'config.json', 'tokenizer.json'])
    assert.ok(readFileSync(at(folder, 6, file)).equals(readFileSync(at(quiet, 6, file))), file);
  // stopping by time evaluates, too
  const steps = of => timeless(join(of, 'runs', 'tuned')).filter(row => row.loss !== undefined);
  assert.deepEqual(steps(folder), steps(quiet));
});

test('what cannot be trained from is an error with a code, and nothing is written', async t => {
  const folder = tuning(t);
  const before = filesIn(folder);
  const tries = [
    [['optim.groups=[{lr_ratio: 0}]'], 2, /^error CONFIG_INVALID: all \d+ parameters are frozen/m],
    [['model={from: nowhere/at/all}'], 1, /^error FILE_MISSING: /m],
    [['model={from: model, hidden_size: 8}'], 2, /^error CONFIG_INVALID: .*unknown key model\.hidden_size/m],
    [
      ['data.tokenizer={kind: bytes, document_end: true}', 'data.corpora=[{domain: a, source: math}]'],
      1,
      /^error TOKENIZER_INVALID: the tokenizer has 257 tokens, the model only 256/m,
    ],
    [['data.tokenizer={kind: bytes}'], 1, /^error TOKENIZER_INVALID: there is no chat template/m],
  ];
  for (const [pairs, code, message] of tries) {
    const refused = await cli(folder, ['train', 'tuned.yaml', ...set(...pairs)]);
    assert.equal(refused.code, code, refused.stderr);
    assert.match(refused.stderr, message);
  }
  assert.deepEqual(filesIn(folder), before);
});
