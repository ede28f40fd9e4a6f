import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { TINY_CHAT_TEMPLATE, tinyChatFiles, workspaceRoot } from '@spectra/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { TextDocument } from '../document.ts';
import { unigramEntropy } from '../entropy.ts';
import { corpusSchema, dataConfigSchema } from '../schema.ts';
import { factbookText } from './factbook.ts';
import { openCorpus } from './open-corpus.ts';
import { openData } from './open-data.ts';

const app = join(workspaceRoot(), 'apps', 'trainer');
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectra-data-'));
});
afterEach(() => rm(folder, { recursive: true }));

type Input = z.input<typeof corpusSchema>;

async function texts(config: Input, documentLength = 1e9): Promise<Record<string, string>> {
  const corpus = await openCorpus(corpusSchema.parse(config), { resolveFrom: [app], documentLength });
  const found: Record<string, string> = {};
  for await (const { id, text } of corpus.documents()) found[id] = text;
  return found;
}
const files = (...paths: string[]): Input => ({
  domain: 'x',
  source: 'files',
  paths: paths.map(path => join(folder, path)),
});
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('files', () => {
  it('of every kind are read, folders in order', async () => {
    await mkdir(join(folder, 'deep'));
    await writeFile(join(folder, 'b.txt'), '\ufeffnaïve\n\ntext');
    await writeFile(join(folder, 'deep', 'c.jsonl'), '{"text":"one"}\n\n{"text":"zw\\u00f6lf","n":1}');
    await writeFile(join(folder, 'deep', 'd.jsonl.gz'), gzipSync('{"text":"three"}\n'.repeat(2)));
    await writeFile(join(folder, 'ignored.bin'), 'no');
    expect(await texts({ domain: 'x', source: 'files', paths: [folder] })).toEqual({
      'b.txt': 'naïve\n\ntext',
      'deep/c.jsonl:0': 'one',
      'deep/c.jsonl:1': 'zwölf',
      'deep/d.jsonl.gz:0': 'three',
      'deep/d.jsonl.gz:1': 'three',
    });
    expect(
      Object.keys(await texts({ domain: 'x', source: 'files', paths: [folder], max_bytes: 15 })),
    ).toHaveLength(2);
  });

  it('long texts become blocks', async () => {
    await writeFile(join(folder, 'long.txt'), 'word '.repeat(200_000));
    const found = await texts(files('long.txt'), 1000);
    expect(Object.keys(found)).toHaveLength(1000);
    expect(Object.values(found).join('')).toHaveLength(1_000_000);
  });

  it('of Parquet are read by column, whatever their compression', async () => {
    const path = join(workspaceRoot(), 'fixtures', 'text', 'five.parquet');
    const read = (key: string): Promise<Record<string, string>> =>
      texts({ domain: 'x', source: 'files', paths: [path], text_key: key });
    expect(Object.values(await read('text'))[2]).toBe('Document 2: naïve café, word word end.');
    expect(await read('body')).toMatchObject({ 'five.parquet:4': 'body 4' });
    await expect(read('title')).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      fix: expect.stringContaining('text, body, year'),
    });
    await expect(read('year')).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
  });

  it('that cannot be used are errors with a fix', async () => {
    await writeFile(join(folder, 'empty.txt'), '');
    await writeFile(join(folder, 'latin.txt'), new Uint8Array([0x63, 0x61, 0x66, 0xe9]));
    await writeFile(join(folder, 'bad.jsonl'), '{"text":"a"}\nnot json\n');
    await writeFile(join(folder, 'keyless.jsonl'), '{"txt":"a"}\n');
    await writeFile(join(folder, 'cut.jsonl.gz'), gzipSync('{"text":"three"}\n'.repeat(100)));
    await truncate(join(folder, 'cut.jsonl.gz'), 30);
    await writeFile(join(folder, 'no.parquet'), 'PAR1 but not really, and long enough to be looked at');
    await writeFile(join(folder, 'what.bin'), 'x');
    await mkdir(join(folder, 'hollow'));
    for (const [path, message] of [
      ['empty.txt', 'is empty'],
      ['latin.txt', 'not UTF-8'],
      ['bad.jsonl', 'bad.jsonl:2'],
      ['keyless.jsonl', 'no text under "text"'],
      ['cut.jsonl.gz', 'cannot be read'],
      ['no.parquet', 'not a Parquet file'],
      ['what.bin', 'kind is not known'],
      ['hollow', 'no file in it'],
    ]) {
      await expect(texts(files(path!)), path).rejects.toMatchObject({
        code: 'CORPUS_INVALID',
        message: expect.stringContaining(message!),
        fix: expect.any(String),
      });
    }
    await expect(texts(files('absent.txt'))).rejects.toMatchObject({ code: 'FILE_MISSING' });
  });
});

describe('conversations', () => {
  const chat = (paths: readonly string[], more: object = {}): Input =>
    ({ domain: 'x', source: 'chat', paths: paths.map(path => join(folder, path)), ...more }) as Input;
  const row = (i: number): string =>
    `${JSON.stringify({
      messages: [
        { role: 'user', content: `${i}?` },
        { role: 'assistant', content: `${i}!` },
      ],
    })}\n`;
  const template = { config: { chat_template: TINY_CHAT_TEMPLATE }, text: undefined, where: 'config' };
  const written = (i: number): string =>
    `<|im_start|>user\n${i}?<|im_end|>\n<|im_start|>assistant\n${i}!<|im_end|>\n`;
  async function documents(config: Input): Promise<TextDocument[]> {
    const corpus = await openCorpus(corpusSchema.parse(config), { chatTemplate: template });
    const found: TextDocument[] = [];
    for await (const document of corpus.documents()) found.push(document);
    return found;
  }

  it('are read from every kind of file, in order', async () => {
    await mkdir(join(folder, 'more'));
    await writeFile(join(folder, 'a.jsonl'), `${row(0)}\n${row(1)}`);
    await writeFile(join(folder, 'more', 'b.jsonl.gz'), gzipSync(row(2)));
    await writeFile(join(folder, 'more', 'notes.txt'), 'no');
    await writeFile(
      join(folder, 'c.jsonl'),
      '{"prompt": "1 + 1 = ", "completion": "2"}\n{"talk": [{"role": "assistant", "content": "so"}]}',
    );
    const found = await documents(chat(['a.jsonl', 'more']));
    expect(found.map(({ id, text }) => [id, text])).toEqual([
      ['a.jsonl:0', written(0)],
      ['a.jsonl:1', written(1)],
      ['b.jsonl.gz:0', written(2)],
    ]);
    const begin = written(0).indexOf('0!');
    expect(found[0]!.answers).toEqual([[begin, written(0).length]]);
    const [pair, talk] = await documents(chat(['c.jsonl'], { messages_key: 'talk' }));
    const where = `${join(folder, 'c.jsonl')}:1`;
    expect(pair).toEqual({ id: 'c.jsonl:0', where, text: '1 + 1 = 2', answers: [[8, 9]], endMark: true });
    expect(talk!.text).toBe('<|im_start|>assistant\nso<|im_end|>\n');
    const parquet = join(workspaceRoot(), 'fixtures', 'text', 'chat.parquet');
    const rows = await documents({ domain: 'x', source: 'chat', paths: [parquet] });
    expect(rows).toHaveLength(3);
    expect(rows[2]!.text).toBe(
      '<|im_start|>user\nWhat is 2 + 1?<|im_end|>\n<|im_start|>assistant\nIt is 3.<|im_end|>\n',
    );
  });

  it('of Parquet have tool calls without the fields that a message lacks', async () => {
    const path = join(folder, 't.jinja');
    await writeFile(
      path,
      [
        '{{ tools | tojson }}',
        '{% for m in messages %}{% set calls = m.tool_calls if "tool_calls" in m else [] %}',
        '<{{ m.role }}>{% if calls | length > 1 %}{{ raise_exception("one call only") }}{% endif %}',
        '{% if calls %}{{ calls[0] | tojson }}{% else %}{{ m.content }}{% endif %}</>{% endfor %}',
      ].join(''),
    );
    const parquet = join(workspaceRoot(), 'fixtures', 'text', 'tools.parquet');
    const [first, second] = await documents({
      domain: 'x',
      source: 'chat',
      paths: [parquet],
      template: path,
    });
    expect(first!.text).toBe(
      [
        '[{"name": "warmth", "description": "Degrees at a place.", "days_at_most": 7}]',
        '<user>How warm is it in Bergen?</>',
        '<assistant>{"type": "function", "function": {"name": "warmth", "arguments": {"place": "Bergen", "days": 1}}}</>',
        '<tool>11</><assistant>11 °C.</>',
      ].join(''),
    );
    expect(second!.where).toBe(`${parquet}, row 1`);
    expect(second!.answers!.map(([begin, end]) => second!.text.slice(begin, end))).toEqual([
      '<assistant>{"type": "function", "function": {"name": "warmth", "arguments": {"place": "Aden", "days": 2}}}</>',
      '<assistant>34 °C.</>',
    ]);
  });

  it('take a template of their own, which is part of what a cursor belongs to', async () => {
    await writeFile(join(folder, 'a.jsonl'), row(0));
    const names: string[] = [];
    for (const mark of ['-', '+']) {
      await writeFile(join(folder, 't.jinja'), `{% for m in messages %}${mark}{{ m.content }}{% endfor %}`);
      const config = corpusSchema.parse(chat(['a.jsonl'], { template: join(folder, 't.jinja') }));
      const corpus = await openCorpus(config);
      for await (const { text } of corpus.documents()) expect(text).toBe(`${mark}0?${mark}0!`);
      names.push(corpus.name);
    }
    expect(names[0]).not.toBe(names[1]);
  });

  it('are told a fixed day, which is part of what a cursor belongs to', async () => {
    await writeFile(join(folder, 'a.jsonl'), row(0));
    const path = join(folder, 't.jinja');
    await writeFile(path, "{{ strftime_now('%Y-%m-%d') }}{% for m in messages %}{{ m.content }}{% endfor %}");
    const opened = async (more: object) => {
      const corpus = await openCorpus(corpusSchema.parse(chat(['a.jsonl'], { template: path, ...more })));
      const texts: string[] = [];
      for await (const { text } of corpus.documents()) texts.push(text);
      return { name: corpus.name, texts };
    };
    const usual = await opened({});
    expect(usual.texts).toEqual(['2024-07-260?0!']);
    expect(await opened({ date: '2024-07-26' })).toEqual(usual);
    const other = await opened({ date: '2025-12-31' });
    expect(other.texts).toEqual(['2025-12-310?0!']);
    expect(other.name).not.toBe(usual.name);
    for (const date of ['today', '2024-02-30'])
      expect(corpusSchema.safeParse(chat(['a.jsonl'], { date })).success).toBe(false);
  });

  it('need nothing of the model’s folder once they are open', async () => {
    await writeFile(join(folder, 'a.jsonl'), row(0).repeat(4));
    const model = join(folder, 'model');
    for (const files of [
      tinyChatFiles(),
      { ...tinyChatFiles(''), 'chat_template.jinja': TINY_CHAT_TEMPLATE },
    ]) {
      await mkdir(model);
      for (const [name, text] of Object.entries(files)) await writeFile(join(model, name), text);
      const config = { corpora: [chat(['a.jsonl'])], tokenizer: { kind: 'model' as const }, length: 64 };
      const data = await openData(dataConfigSchema.parse(config), { modelFolder: model });
      await rm(model, { recursive: true });
      const batch = await data.stream().next();
      expect(data.tokenizer.decode(batch.inputIds.subarray(0, 64))).toContain(written(0).trimEnd());
    }
  });

  it('do not take a template that cannot be read for none', async () => {
    await writeFile(join(folder, 'a.jsonl'), row(0));
    const model = join(folder, 'model');
    await mkdir(join(model, 'chat_template.jinja'), { recursive: true });
    for (const [name, text] of Object.entries(tinyChatFiles())) await writeFile(join(model, name), text);
    const config = { corpora: [chat(['a.jsonl'])], tokenizer: { kind: 'model' as const } };
    await expect(openData(dataConfigSchema.parse(config), { modelFolder: model })).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
      where: join(model, 'chat_template.jinja'),
      fix: expect.any(String),
    });
  });

  it('of texts alone need no template, and one that is broken is said at once', async () => {
    await writeFile(join(folder, 'c.jsonl'), '{"prompt": "1 + 1 = ", "completion": "2"}\n');
    const corpus = await openCorpus(corpusSchema.parse(chat(['c.jsonl'])));
    for await (const { text } of corpus.documents()) expect(text).toBe('1 + 1 = 2');
    const broken = { ...template, text: '{% for' };
    await expect(
      openCorpus(corpusSchema.parse(chat(['c.jsonl'])), { chatTemplate: broken }),
    ).rejects.toMatchObject({ code: 'TOKENIZER_INVALID', where: 'config' });
  });

  it('that cannot be used are errors with a fix', async () => {
    await writeFile(join(folder, 'a.jsonl'), `${row(0)}{"messages": 3}\n`);
    await writeFile(join(folder, 'b.jsonl'), '[1]\n');
    await writeFile(join(folder, 'c.txt'), 'text');
    for (const [path, problem] of [
      ['a.jsonl', 'a.jsonl:2'],
      ['b.jsonl', 'the line is no object'],
      ['c.txt', 'kind is not known'],
    ]) {
      await expect(documents(chat([path!])), path).rejects.toMatchObject({
        code: 'CORPUS_INVALID',
        message: expect.stringContaining(problem!),
      });
    }
    await expect(documents(chat(['a.jsonl'], { template: 'nowhere.jinja' }))).rejects.toMatchObject({
      code: 'FILE_MISSING',
    });
    const bare = await openCorpus(corpusSchema.parse(chat(['a.jsonl'])));
    await expect(bare.documents()[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
    });
  });
});

describe('packages', () => {
  it('hold the texts that others read in them', async () => {
    const moby = await texts({ domain: 'x', source: 'moby-dick' });
    expect(Object.keys(moby)).toHaveLength(135);
    const first = [1, 2, 3].map(n => moby[`chapter_${n}.txt`]).join('');
    expect(sha256(first)).toBe('72ad500a774e6cbf006f0a8b08062bc9d40992ffa6146fd6fb4e3f348b75ecef');
    const brown = await texts({ domain: 'x', source: 'brown', genres: ['reportage'] });
    const press = ['ca01', 'ca02', 'ca03', 'ca04'].map(id => brown[id]).join('\n');
    expect(sha256(press)).toBe('14b821d31ce279efec6ccf0eb55dcc6ca6b6679e2682b8b9f1537eee53c463ac');
  });

  it('are spread over when limited', async () => {
    const years = Object.keys(await texts({ domain: 'x', source: 'sotu', max_bytes: 1_000_000 })).map(id =>
      Number(id.slice(0, 4)),
    );
    expect(Math.min(...years)).toBeLessThan(1830);
    expect(Math.max(...years)).toBeGreaterThan(1990);
  });

  it('that are missing or not permissive are errors with a fix', async () => {
    const code = (...packages: string[]): Input => ({ domain: 'x', source: 'code', packages });
    await expect(texts(code('no-such-package-here'))).rejects.toMatchObject({
      code: 'FILE_MISSING',
      fix: expect.stringContaining('npm install no-such-package-here'),
    });
    await mkdir(join(folder, 'node_modules', 'closed'), { recursive: true });
    const manifest = { name: 'closed', version: '1.0.0', license: 'UNLICENSED' };
    await writeFile(join(folder, 'node_modules', 'closed', 'package.json'), JSON.stringify(manifest));
    const closed = openCorpus(corpusSchema.parse(code('closed')), { resolveFrom: [folder] });
    await expect(closed).rejects.toMatchObject({ code: 'CORPUS_INVALID' });
  });

  it('turn factbook profiles into text', () => {
    const profile = {
      Geography: {
        Area: { total: { text: '10 sq km' }, land: { text: null } },
        Climate: { text: 'mild ++ wet', note: { text: 'mostly' } },
        Maps: { text: null },
      },
      Government: { 'Country name': { 'conventional short form': { text: 'Nowhere' } } },
    };
    expect(factbookText(profile)).toBe(
      'Nowhere\n\nGeography\nArea: total 10 sq km\nClimate: mild wet; note: mostly\n\n' +
        'Government\nCountry name: conventional short form Nowhere\n',
    );
  });
});

describe('the six domains of the default configuration', () => {
  it('have text to train on and to hold out, and open at once', async () => {
    const started = performance.now();
    const data = await openData(dataConfigSchema.parse({}), { resolveFrom: [app], seed: 1 });
    const stream = data.stream();
    await stream.take(20);
    expect(performance.now() - started).toBeLessThan(10_000); // 0.5 s on an idle machine
    expect(data.domains.map(({ name }) => name)).toHaveLength(6);
    for (const { name, bytes, probability } of data.domains) {
      expect(bytes, name).toBeGreaterThan(900_000);
      expect(bytes, name).toBeLessThanOrEqual(1_500_000);
      expect(probability, name).toBeGreaterThan(0.1);
      const train = await data.tokenCounts(name, 'train');
      const total = train.reduce((a, b) => a + b, 0);
      expect(Math.abs(total / (0.95 * bytes) - 1), name).toBeLessThan(0.1);
      expect(unigramEntropy(train), name).toBeGreaterThan(2.8);
      expect(unigramEntropy(train), name).toBeLessThan(3.8);
      const { value: batch } = await data.heldOut(name, { tokens: 2048 }).next();
      expect([batch!.batch, batch!.length], name).toEqual([8, 256]);
    }
  });
});

describe('what is held out', () => {
  const held = async (corpus: object): Promise<string[]> => {
    const data = await openData(dataConfigSchema.parse({ corpora: [corpus], held_out: 0.3, length: 64 }));
    const texts: string[] = [];
    for await (const text of data.documents('x', 'heldOut')) texts.push(text);
    return texts;
  };
  const lines = (name: string, count: number): string =>
    Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: `${name} ${i} and more` })}\n`).join(
      '',
    );

  it('stays so when files come to a corpus, or a limit', async () => {
    await writeFile(join(folder, 'a.jsonl'), lines('a', 60));
    await writeFile(join(folder, 'b.jsonl'), lines('b', 60));
    const files = (names: string[], more = {}) => ({
      domain: 'x',
      source: 'files',
      paths: names.map(name => join(folder, name)),
      ...more,
    });
    const first = await held(files(['a.jsonl']));
    expect(first.length).toBeGreaterThan(5);
    expect(first.length).toBeLessThan(40);
    const more = await held(files(['a.jsonl', 'b.jsonl']));
    expect(more.slice(0, first.length)).toEqual(first);
    expect(more.length).toBeGreaterThan(first.length);
    const name = async (more: object) =>
      (await openCorpus(corpusSchema.parse({ ...files(['a.jsonl']), ...more }))).splitName;
    expect(await name({})).toBe(await name({ max_bytes: 500 }));
    const limited = await held(files(['a.jsonl', 'b.jsonl'], { max_bytes: 500 }));
    expect(limited.length).toBeGreaterThan(2);
    expect(first.slice(0, limited.length)).toEqual(limited);
  });
});

it('links in a folder count as what they lead to, each file once, and none leads round', async () => {
  const [store, snapshot] = [join(folder, 'store'), join(folder, 'snapshot')];
  await mkdir(join(store, 'deep'), { recursive: true });
  await mkdir(snapshot);
  await writeFile(join(store, 'blob'), 'linked text, one');
  await writeFile(join(store, 'deep', 'c.txt'), 'linked text, two');
  await symlink(join(store, 'blob'), join(snapshot, 'a.txt'));
  await symlink(join(store, 'deep'), join(snapshot, 'deep'));
  await symlink(snapshot, join(store, 'deep', 'round'));
  await symlink(join(store, 'deep'), join(store, 'deep', 'self'));
  await symlink(join(folder, 'nowhere'), join(snapshot, 'broken.txt'));
  await symlink(join(store, 'deep', 'c.txt'), join(snapshot, 'again.txt'));
  const corpus = await openCorpus(corpusSchema.parse({ domain: 'x', source: 'files', paths: [snapshot] }));
  const texts: string[] = [];
  for await (const { text } of corpus.documents()) texts.push(text);
  // again.txt comes before deep/c.txt, which is the same file
  expect(texts).toEqual(['linked text, one', 'linked text, two']);
});
