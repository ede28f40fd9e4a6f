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
  ['{', 'not JSON'],
  [[1], 'not a JSON object'],
  [{ eos_token_id: 'end' }, '"end"'],
  [{ eos_token_id: [1, null] }, '[1,null]'],
])('refuses %j', async (content, problem) => {
  write('generation_config.json', content);
  await expect(declaredEnds(folder)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: join(folder, 'generation_config.json'),
    message: expect.stringContaining(problem),
    fix: expect.any(String),
  });
});
