import { writeFileSync } from 'node:fs';
import { loadChatTemplate, loadTokenizer } from '@spectra/data/node';
import { tinyChatFiles } from '@spectra/testing';
import { afterAll, expect, it } from 'vitest';
import { openTrainingData } from '../data/training-data.ts';
import { fileOf, ShortRuns } from '../testing/short-run.ts';
import { openModelSource } from './model-source.ts';

const runs = new ShortRuns();
afterAll(() => runs.remove());

const from = runs.model('qwen3_moe', tinyChatFiles());
const file = runs.path('talk.jsonl');
const talk = Array.from({ length: 120 }, (_, i) => [
  { role: 'user', content: `Is ${i} odd?` },
  { role: 'assistant', content: i % 2 === 1 ? 'yes' : 'no' },
  { role: 'user', content: `And ${i + 1}?` },
  { role: 'assistant', content: i % 2 === 1 ? 'no, it is even' : 'yes' },
]);
writeFileSync(file, talk.map(messages => `${JSON.stringify({ messages })}\n`).join(''));

const talking = (name: string, model: string, ...more: string[]) =>
  runs.config(
    name,
    model,
    `data.corpora=[{domain: talk, source: chat, paths: [${file}]}]`,
    'data.length=160',
    ...more,
  );
const config = (name: string, ...more: string[]) => talking(name, from, 'train.embedding_noise=5', ...more);

it('learns the answers, resumes exactly and keeps what a conversation needs', async () => {
  const straight = await runs.train(config('straight', 'train.steps=8', 'optim.lr=1e-2'));
  expect(straight.losses.at(-1)!).toBeLessThan(straight.losses[0]! - 1);
  const broken = (more: string) => config('broken', 'train.steps=8', 'optim.lr=1e-2', more);
  await runs.train(broken('train.max_seconds=0.001'));
  const resumed = await runs.train(broken('train.max_seconds=999'), true);
  expect(resumed.losses).toEqual(straight.losses);
  for (const name of ['model.safetensors', 'tokenizer.json', 'tokenizer_config.json'])
    expect(fileOf(resumed.checkpoint, name).equals(fileOf(straight.checkpoint, name)), name).toBe(true);
  const tokenizer = await loadTokenizer(straight.checkpoint);
  const template = await loadChatTemplate(straight.checkpoint);
  const prompt = template.render([{ role: 'user', content: 'Is 3 odd?' }]);
  expect(tokenizer.decode(tokenizer.encode(prompt))).toBe(prompt);
});

it('is evaluated on the assistant’s tokens alone', async () => {
  const resolved = config('evaluated', 'train.eval_tokens=100000');
  const source = await openModelSource(resolved);
  const data = await openTrainingData(resolved, undefined, source);
  const learned: number[] = [];
  let real = 0;
  for (const { tokens } of data.heldOut) {
    tokens.targets.forEach((id, i) => {
      if (tokens.weights[i] === 1) learned.push(id);
    });
    real += tokens.documents.filter(document => document >= 0).length;
  }
  const answers = data.tokenizer.decode(learned).split('<|im_end|>').slice(0, -1);
  expect(answers.length).toBeGreaterThan(8);
  expect(answers.length % 2).toBe(0);
  for (const answer of answers) expect(['yes', 'no', 'no, it is even']).toContain(answer);
  expect(learned.length).toBeLessThan(real / 3);
  // what a unigram model would pay is counted on the same tokens
  expect(await data.unigramEntropy()).toBeLessThan(2.8);
});

it('takes a template of its own, which its checkpoints keep', async () => {
  const template = runs.path('own.jinja');
  writeFileSync(
    template,
    "{% for m in messages %}{{ '<|im_start|>' + m.content + '<|im_end|>' }}{% endfor %}",
  );
  const { checkpoint } = await runs.train(
    config(
      'own',
      `data.corpora=[{domain: talk, source: chat, paths: [${file}], template: ${template}}]`,
      'train.steps=1',
    ),
  );
  expect(fileOf(checkpoint, 'chat_template.jinja').toString()).toContain("'<|im_start|>' + m.content");
  const loaded = await loadChatTemplate(checkpoint);
  expect(loaded.render([{ role: 'user', content: 'a' }])).toBe('<|im_start|>a<|im_end|>');
});

it('goes on with the end token that the configuration chose, in templates and in copies of its checkpoints', async () => {
  // a template that ends turns with the tokenizer's end token
  const template =
    "{% for m in messages %}{{ '<|im_start|>' + m.content + eos_token }}{% endfor %}" +
    '{% if add_generation_prompt %}<|im_start|>{% endif %}';
  const files = {
    ...tinyChatFiles(template),
    'special_tokens_map.json': JSON.stringify({ eos_token: { content: '<|end|>' }, pad_token: '<|end|>' }),
  };
  const model = runs.model('qwen3_moe', files, 'ends');
  const chosen = (name: string, ...more: string[]) =>
    talking(name, model, 'data.tokenizer={kind: model, eos: <|im_end|>}', 'train.steps=4', ...more);
  const straight = await runs.train(chosen('ends-straight'));
  await runs.train(chosen('ends-broken', 'train.max_seconds=0.001'));
  const resumed = await runs.train(chosen('ends-broken', 'train.max_seconds=999'), true);
  expect(resumed.losses).toEqual(straight.losses);
  const source = await openModelSource(chosen('ends-read'));
  const data = await openTrainingData(chosen('ends-read'), undefined, source);
  const { inputIds } = await data.stream.next();
  const { checkpoint } = resumed;
  const tokenizer = await loadTokenizer(checkpoint);
  expect(tokenizer.eos).toBe(tokenizer.idOf('<|im_end|>'));
  expect([...inputIds]).toContain(tokenizer.eos);
  const written = await loadChatTemplate(checkpoint);
  expect(written.render([{ role: 'user', content: 'a' }])).toBe('<|im_start|>a<|im_end|><|im_start|>');
  expect(JSON.parse(fileOf(checkpoint, 'special_tokens_map.json').toString())).toEqual({
    eos_token: '<|im_end|>',
    pad_token: '<|end|>',
  });
  expect(
    fileOf(checkpoint, 'tokenizer_config.json').equals(fileOf(straight.checkpoint, 'tokenizer_config.json')),
  ).toBe(true);
});
