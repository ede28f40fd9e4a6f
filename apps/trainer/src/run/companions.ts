/** What a checkpoint holds beside weights and states, so that it is a model folder of its own: tokenizer and the like. */
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { companionFiles, isTokenizerFile } from '@spectra/checkpoint/node';
import type { TrainerConfig } from '../config/schema.ts';
import type { ModelSource } from '../training/model-source.ts';

export type Companions = ReadonlyMap<string, Uint8Array>;

/** Read at the start: the folder that the run began from may change or go. A tokenizer of the configuration's comes first. */
export async function readCompanions({ data }: TrainerConfig, { folder }: ModelSource): Promise<Companions> {
  const beside = Object.entries(folder === undefined ? {} : await companionFiles(folder));
  const { tokenizer } = data;
  const own = tokenizer.kind === 'file' ? await tokenizerFiles(tokenizer.path) : [];
  const paths = own.length === 0 ? beside : [...beside.filter(([name]) => !isTokenizerFile(name)), ...own];
  const read = paths.map(async ([name, path]) => [name, await readFile(path)] as const);
  return new Map(await Promise.all(read));
}

/** The files of the tokenizer at a path, which may be a folder or the tokenizer.json itself. */
async function tokenizerFiles(path: string): Promise<[string, string][]> {
  const folder = (await stat(path)).isDirectory() ? path : dirname(path);
  const found = Object.entries(await companionFiles(folder)).filter(([name]) => isTokenizerFile(name));
  return folder === path
    ? found
    : [...found.filter(([name]) => name !== 'tokenizer.json'), ['tokenizer.json', path]];
}
