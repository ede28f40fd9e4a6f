import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { declaredEnds } from './declared-ends.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'spectra-ends-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const write = (name: string, value: unknown): void =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));

it('are those of both files, a number or several', async () => {
  expect(await declaredEnds(folder)).toEqual([]);
  write('config.json', { eos_token_id: 2 });
  expect(await declaredEnds(folder)).toEqual([2]);
  write('generation_config.json', { eos_token_id: [128001, 128008, 2] });
  expect(await declaredEnds(folder)).toEqual([128001, 128008, 2]);
  write('config.json', { eos_token_id: null });
  write('generation_config.json', {});
  expect(await declaredEnds(folder)).toEqual([]);
});

it.each([
  ['{', 'FILE_BROKEN', 'not JSON'],
  [[1], 'CONFIG_INVALID', 'not a JSON object'],
  [{ eos_token_id: 'end' }, 'CONFIG_INVALID', '"end"'],
  [{ eos_token_id: [1, null] }, 'CONFIG_INVALID', '[1,null]'],
])('refuses %j', async (content, code, problem) => {
  write('generation_config.json', content);
  await expect(declaredEnds(folder)).rejects.toMatchObject({
    code,
    where: join(folder, 'generation_config.json'),
    message: expect.stringContaining(problem),
    fix: expect.any(String),
  });
});
