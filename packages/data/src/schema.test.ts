import { expect, it } from 'vitest';
import { z } from 'zod';
import { dataConfigSchema } from './schema.ts';

it('is six domains of bytes by default', () => {
  const config = dataConfigSchema.parse({});
  expect(config.corpora.map(({ domain }) => domain)).toEqual([
    'fiction',
    'politics',
    'geography',
    'news',
    'code',
    'math',
  ]);
  expect(config).toMatchObject({ tokenizer: { kind: 'bytes', document_end: false }, length: 256, batch: 8 });
});

it('refuses unknown keys and values out of range', () => {
  for (const wrong of [
    { lenght: 3 },
    { length: 0 },
    { held_out: 0 },
    { held_out: 1 },
    { corpora: [] },
    { corpora: [{ domain: 'x', source: 'internet' }] },
    { corpora: [{ domain: 'x', source: 'files', paths: ['a'], text: 'b' }] },
    { corpora: [{ domain: 'x', source: 'brown', genres: ['poetry'] }] },
    { corpora: [{ domain: 'x', source: 'sotu', weight: 0 }] },
  ]) {
    expect(dataConfigSchema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  }
});

it('is a JSON schema for editors', () => {
  const schema = z.toJSONSchema(dataConfigSchema, { io: 'input' });
  expect(Object.keys(schema.properties ?? {})).toContain('corpora');
});
