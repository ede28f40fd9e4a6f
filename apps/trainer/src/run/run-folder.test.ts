import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { newRunFolder, openRunFolder, startRunFolder, writeAtomically } from './run-folder.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'spectra-run-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const config = () => parseConfig('{name: x, model: {vocab_size: 8}}', [`runs_dir=${root}`]);

it('is made only when it is started, and an older run in it is gone then', () => {
  const folder = newRunFolder(config(), false);
  expect(readdirSync(root)).toEqual([]);
  startRunFolder(folder, config());
  expect(openRunFolder(folder.path)).toEqual(folder);
  writeFileSync(folder.metrics, 'old');
  expect(() => newRunFolder(config(), false)).toThrow(expect.objectContaining({ code: 'FILE_EXISTS' }));
  startRunFolder(newRunFolder(config(), true), config());
  expect(readdirSync(folder.path).sort()).toEqual(['checkpoints', 'config.yaml']);
});

it('leaves files alone that are no run', () => {
  const folder = newRunFolder(config(), false);
  mkdirSync(folder.path);
  writeFileSync(join(folder.path, 'notes.txt'), 'mine');
  startRunFolder(folder, config());
  expect(readFileSync(join(folder.path, 'notes.txt'), 'utf8')).toBe('mine');
});

it('says where a folder or file cannot be', () => {
  writeFileSync(join(root, 'file'), '');
  expect(() => openRunFolder(root)).toThrow(expect.objectContaining({ code: 'FILE_MISSING' }));
  expect(() => writeAtomically(join(root, 'file', 'a.json'), '')).toThrow(
    expect.objectContaining({ code: 'FILE_MISSING' }),
  );
  expect(existsSync(join(root, 'file', 'a.json'))).toBe(false);
});
