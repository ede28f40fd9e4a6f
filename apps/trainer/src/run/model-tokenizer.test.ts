import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tinyChatFiles } from '@spectra/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import { CommandSpace, fixture } from '../testing/command-space.ts';
import type { ModelPath } from './model-path.ts';
import { modelTokenizer } from './model-tokenizer.ts';

const space = new CommandSpace('model-tokenizer-');
let model = '';
beforeEach(async () => {
  model = space.path('model');
  await rm(model, { recursive: true, force: true });
  await cp(fixture('kimi_k2'), model, { recursive: true });
});
const write = (name: string, text: string): Promise<void> => writeFile(join(model, name), text);

async function setVocabulary(rows: number): Promise<void> {
  const config = JSON.parse(await readFile(join(model, 'config.json'), 'utf8'));
  await write('config.json', JSON.stringify({ ...config, vocab_size: rows }));
}

describe('modelTokenizer', () => {
  it('is the one beside the model', async () => {
    for (const [name, text] of Object.entries(tinyChatFiles())) await write(name, text);
    expect((await modelTokenizer({ model })).name).toBe(join(model, 'tokenizer.json'));
  });

  it.each([256, 257, 320])('is bytes for a vocabulary of %i and no file of a tokenizer', async rows => {
    await setVocabulary(rows);
    await write('chat_template.jinja', '{{ messages[0].content }}');
    await write('README.md', '');
    expect((await modelTokenizer({ model })).name).toBe('bytes');
  });

  it.each([['tiktoken.model'], ['tokenizer.model'], ['vocab.json', 'merges.txt'], ['tokenizer_config.json']])(
    'is not taken for bytes where there is %s',
    async (...names) => {
      for (const name of names) await write(name, '{}');
      await expect(modelTokenizer({ model })).rejects.toMatchObject({
        code: 'TOKENIZER_INVALID',
        message: expect.stringContaining(`it has ${[...names].sort().join(', ')}, but no tokenizer.json`),
        where: model,
        fix: expect.stringContaining('tokenizer.json'),
      });
    },
  );

  it.each([255, 321, 163_840])('is not taken for bytes with a vocabulary of %i', async rows => {
    await setVocabulary(rows);
    await expect(modelTokenizer({ model })).rejects.toMatchObject({
      code: 'TOKENIZER_INVALID',
      message: expect.stringContaining(`a vocabulary of ${rows} is not one of bytes`),
    });
  });

  it('of a run is the copy in its checkpoint, whatever became of the file', async () => {
    for (const [name, text] of Object.entries(tinyChatFiles())) await write(name, text);
    const data = { tokenizer: { kind: 'file', path: 'moved/tokenizer.json' } };
    const run = { folder: {}, config: { data } } as unknown as NonNullable<ModelPath['run']>;
    expect((await modelTokenizer({ model, run })).vocabSize).toBe(
      (await modelTokenizer({ model })).vocabSize,
    );
    await rm(join(model, 'tokenizer.json'));
    await expect(modelTokenizer({ model, run })).rejects.toMatchObject({ code: 'TOKENIZER_INVALID' });
  });
});
