import { describe, expect, it } from 'vitest';
import { formatConfig, loadConfig, parseConfig } from './load.ts';
import { freshModel } from './model.ts';

const SMALL =
  'name: small\nmodel: { vocab_size: 256, moe: {} }\ndata: { corpora: [{ domain: a, source: math }] }\n';
const parse = (...overrides: string[]) => parseConfig(SMALL, overrides, 'small.yaml');

describe('parseConfig', () => {
  it('fills in every default, and what it prints reads as the same', () => {
    const config = parse('seed=7');
    expect(config).toMatchObject({
      name: 'small',
      seed: 7,
      train: { steps: 300, workers: 1 },
      optim: { betas: [0.9, 0.95] },
    });
    expect(parseConfig(formatConfig(config))).toEqual(config);
    expect(parseConfig(JSON.stringify(config))).toEqual(config);
  });

  it('takes six domains of text where none is named', () => {
    expect(parseConfig('name: x\nmodel: { vocab_size: 256 }').data.corpora).toHaveLength(6);
  });

  it('overrides by dotted keys with YAML values; the last one counts', () => {
    const config = parse(
      'train.steps=5',
      'train.steps=6',
      'optim.betas=[0.5, 0.9]',
      'data.corpora.0.max_bytes=1000',
      'sample.prompts=["a=b"]',
    );
    expect(config.train.steps).toBe(6);
    expect(config.optim.betas).toEqual([0.5, 0.9]);
    expect(config.data.corpora[0]).toMatchObject({ source: 'math', max_bytes: 1000 });
    expect(config.sample.prompts).toEqual(['a=b']);
    expect(parse('optim.schedule.warmup_steps=4').optim.schedule).toMatchObject({
      kind: 'cosine',
      warmup_steps: 4,
    });
    expect(parseConfig('', ['name=x', 'model.vocab_size=256']).name).toBe('x');
  });

  it.each([
    ['train.stesp=3', 'unknown key train.stesp (did you mean steps?)'],
    ['colour=red', 'unknown key colour (at'],
    ['optim.schedule.kind=linear', 'optim.schedule.kind: must be one of constant, cosine, wsd'],
    [
      'model.moe.router={kind: spectra, epsilo: 1}',
      'unknown key model.moe.router.epsilo (did you mean epsilon?)',
    ],
    ['data.corpora.0.domian=x', 'unknown key data.corpora.0.domian (did you mean domain?)'],
    ['optim.schedule.warmup_stesp=1', 'unknown key optim.schedule.warmup_stesp (did you mean warmup_steps?)'],
    ['train.steps=many', 'train.steps: Invalid input: expected number, received string'],
    ['train.steps=0', 'train.steps: '],
    ['model.moe.router.kind=spectre', 'model.moe.router.kind: must be one of spectra, softmax-topk, topk'],
    [
      'model.num_attention_heads=3',
      'model.head_dim: hidden_size 128 is no multiple of num_attention_heads 3',
    ],
    ['model.moe.k=9', 'model.moe.k: 9 experts per token, but there are only 8'],
    ['optim.groups=[{match: "("}]', 'optim.groups.0.match: not a regular expression'],
    ['name=..', 'name: letters, digits'],
    ['name=a/b', 'name: letters, digits'],
    [
      'model={vocab_size: 256, positions: learned, max_position_embeddings: 16}',
      'data.length: rows of 256 tokens need as many learned positions',
    ],
    ['name.deep=1', 'name is no section. (at --set name.deep=1)'],
  ])('refuses %s by its key', (override, message) => {
    expect(() => parse(override)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it('names every mistake at once', () => {
    expect(() => parse('train.stesp=3', 'seed=-1')).toThrow(
      /seed: .*; unknown key train\.stesp|unknown key train\.stesp.*; seed: /,
    );
  });

  it.each([
    ['steps', '--set steps is not of the form key.path=value.'],
    ['.a=1', 'is not of the form'],
    ['__proto__.polluted=1', 'is not of the form'],
    ['train.steps=[1', 'the value is not valid YAML'],
  ])('calls --set %s a mistake of usage', (override, message) => {
    expect(() => parse(override)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringContaining(message) }),
    );
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each([
    ['a: [1', 'line'],
    ['- 1', 'the file: '],
    ['text', 'the file: '],
    ['a: 1\na: 2', 'unique'],
  ])('refuses the file %j', (text, message) => {
    expect(() => parseConfig(text, [], 'x.yaml')).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });
});

it('loadConfig says which file is missing', () => {
  expect(() => loadConfig('nowhere.yaml')).toThrow(
    expect.objectContaining({ code: 'FILE_MISSING', where: 'nowhere.yaml' }),
  );
});

it('takes the kind of a router and of a tokenizer as given by default when only another key is set', () => {
  const config = parseConfig(
    'name: a\nmodel: {vocab_size: 257, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, moe: {}}',
    ['model.moe.router.alpha=1.5', 'data.tokenizer.document_end=true'],
  );
  expect(freshModel(config).moe!.router).toMatchObject({ kind: 'spectra', alpha: 1.5 });
  expect(config.data.tokenizer).toEqual({ kind: 'bytes', document_end: true });
});

describe('a model that exists', () => {
  const from = (model: string, ...overrides: string[]) =>
    parseConfig(`{name: a, model: ${model}}`, overrides, 'from.yaml');

  it('brings its tokenizer unless another is named', () => {
    expect(from('{from: x}')).toMatchObject({ model: { from: 'x' }, data: { tokenizer: { kind: 'model' } } });
    expect(from('{from: x}', 'data.length=64').data).toMatchObject({
      tokenizer: { kind: 'model' },
      length: 64,
    });
    expect(from('{from: x}', 'data.tokenizer={kind: bytes}').data.tokenizer.kind).toBe('bytes');
    expect(from('{from: x, recompute: true, revision: v2}').model).toEqual({
      from: 'x',
      recompute: true,
      revision: 'v2',
    });
    expect(parseConfig(formatConfig(from('{from: x}')))).toEqual(from('{from: x}'));
  });

  it.each([
    ['{from: x, hidden_size: 8}', 'unknown key model.hidden_size'],
    ['{from: x, recomptue: true}', 'unknown key model.recomptue (did you mean recompute?)'],
    ['{from: 3}', 'model.from: Invalid input: expected string, received number'],
    ['{hidden_size: 8}', 'model.vocab_size: Invalid input'],
    ['none', 'model: Invalid input: expected object, received string'],
  ])('refuses %s by its key', (model, message) => {
    expect(() => from(model)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) }),
    );
  });

  it('has no shape before it is read', () => {
    expect(() => freshModel(from('{from: x}'))).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        where: 'model.from',
        fix: expect.stringContaining('vocab_size'),
      }),
    );
  });
});
