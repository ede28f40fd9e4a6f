import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadTokenizer, openTokenizer } from './load-tokenizer.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectra-tokenizer-'));
});
afterEach(() => rm(folder, { recursive: true }));

it('reads tokenizer.json and the end token beside it', async () => {
  const tokenizer = {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'Whitespace' },
    post_processor: null,
    decoder: null,
    model: { type: 'WordLevel', vocab: { '[UNK]': 0, hello: 1, world: 2, '</s>': 3 }, unk_token: '[UNK]' },
  };
  await writeFile(
    join(folder, 'tokenizer.json'),
    JSON.stringify({ ...tokenizer, model: { ...tokenizer.model, type: 'BPE', merges: [] } }),
  );
  await writeFile(join(folder, 'tokenizer_config.json'), '{"eos_token": "</s>"}');
  for (const path of [folder, join(folder, 'tokenizer.json')]) {
    const loaded = await loadTokenizer(path);
    expect([loaded.vocabSize, loaded.eos]).toEqual([4, 3]);
  }
  const chosen = await openTokenizer({ kind: 'file', path: folder, eos: 'world' });
  expect(chosen.eos).toBe(2);
  expect((await openTokenizer({ kind: 'bytes', document_end: true })).vocabSize).toBe(257);
});

it('says what is missing or broken', async () => {
  await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'TOKENIZER_INVALID' });
  await writeFile(join(folder, 'tokenizer.json'), '{');
  await expect(loadTokenizer(folder)).rejects.toMatchObject({ code: 'TOKENIZER_INVALID' });
});
