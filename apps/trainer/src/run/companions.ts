/** What a checkpoint holds beside weights and states, so that it is a model folder of its own: tokenizer and the like. */
import { readFile, stat } from 'node:fs/promises';
import { companionFiles, isTokenizerFile } from '@spectra/checkpoint/node';
import { chosenEos, tokenizerFolder } from '@spectra/data/node';
import type { TrainerConfig } from '../config/schema.ts';
import type { ModelSource } from '../training/model-source.ts';

export type Companions = ReadonlyMap<string, Uint8Array>;

/**
 * Read at the start: the folder that the run began from may change or go. A tokenizer and a chat template that the
 * configuration names come before the model's, and an end token that it names is what the tokenizer's files say.
 */
export async function readCompanions({ data }: TrainerConfig, { folder }: ModelSource): Promise<Companions> {
  const paths = new Map(Object.entries(folder === undefined ? {} : await companionFiles(folder)));
  const { tokenizer, corpora } = data;
  if (tokenizer.kind !== 'model') {
    for (const name of [...paths.keys()]) if (isTokenizerFile(name)) paths.delete(name);
  }
  if (tokenizer.kind === 'file') {
    const beside = await companionFiles(tokenizerFolder(tokenizer)!);
    for (const [name, path] of Object.entries(beside)) if (isTokenizerFile(name)) paths.set(name, path);
    if ((await stat(tokenizer.path)).isFile()) paths.set('tokenizer.json', tokenizer.path);
  }
  const template = corpora.find(corpus => corpus.source === 'chat')?.template;
  if (template !== undefined) paths.set('chat_template.jinja', template);
  const read = [...paths].map(async ([name, path]) => [name, await readFile(path)] as const);
  const files = new Map(await Promise.all(read));
  const eos = chosenEos(tokenizer);
  if (eos !== undefined) {
    setEos(files, 'tokenizer_config.json', eos);
    if (files.has('special_tokens_map.json')) setEos(files, 'special_tokens_map.json', eos);
  }
  return files;
}

function setEos(files: Map<string, Uint8Array>, name: string, eos: string): void {
  const bytes = files.get(name);
  const found = bytes === undefined ? {} : (JSON.parse(new TextDecoder().decode(bytes)) as object);
  const changed = { ...found, eos_token: eos };
  files.set(name, new TextEncoder().encode(`${JSON.stringify(changed, null, 2)}\n`));
}
