/** Tokenizers from files and from configurations. */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import type { DataConfig } from '../schema.ts';
import { byteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import { type ChatTemplate, chatTemplate } from '../tokenizer/chat-template.ts';
import { type JsonTokenizer, type JsonTokenizerOptions, jsonTokenizer } from '../tokenizer/json-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

/**
 * Loads a `tokenizer.json`, or the one in a folder, with the `tokenizer_config.json` beside it if there is one.
 * `TOKENIZER_INVALID` if it is missing or cannot be used.
 */
export async function loadTokenizer(
  path: string,
  options: Omit<JsonTokenizerOptions, 'name'> = {},
): Promise<JsonTokenizer> {
  const found = await stat(path).catch(() => undefined);
  const file = found?.isDirectory() ? join(path, 'tokenizer.json') : path;
  const tokenizer = await readJson(file);
  if (tokenizer === undefined) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: 'there is no such file.',
      where: file,
      fix: 'Give a tokenizer.json or the folder that holds one.',
    });
  }
  const config = await readJson(join(dirname(file), 'tokenizer_config.json'));
  return jsonTokenizer(tokenizer, config, { ...options, name: file });
}

/** What a chat template is made of. */
export interface ChatTemplateFiles {
  /** The parsed `tokenizer_config.json`; empty where there is none. */
  readonly config: object;
  /** Of `chat_template.jinja`, if there is one. */
  readonly text: string | undefined;
  /** The place of the configuration, for errors. */
  readonly where: string;
}

/**
 * Reads what a folder has of a chat template, which may be nothing; `eos` is the end token where a configuration chose
 * another. `TOKENIZER_INVALID` for a file that cannot be read.
 */
export async function readChatTemplate(folder: string, eos?: string): Promise<ChatTemplateFiles> {
  const where = join(folder, 'tokenizer_config.json');
  const text = await readIfThere(join(folder, 'chat_template.jinja'));
  const config = (await readJson(where)) ?? {};
  return { config: eos === undefined ? config : { ...config, eos_token: eos }, text, where };
}

/**
 * The chat template of a model folder: its `chat_template.jinja`, or that of its `tokenizer_config.json`; or `text`, with
 * the special tokens of that configuration.
 * `TOKENIZER_INVALID` if there is none or it cannot be used.
 */
export async function loadChatTemplate(folder: string, text?: string): Promise<ChatTemplate> {
  const files = await readChatTemplate(folder);
  return chatTemplate(files.config, text ?? files.text, files.where);
}

/**
 * The tokenizer of a data configuration; `modelFolder` is where the model is, for `kind: model`. That one's name is the
 * same wherever the folder lies, so that a run can go on from the copy in its checkpoints.
 */
export async function openTokenizer(
  config: DataConfig['tokenizer'],
  modelFolder?: string,
): Promise<Tokenizer> {
  if (config.kind === 'bytes') return byteTokenizer({ documentEnd: config.document_end });
  const eos = chosenEos(config);
  const options = eos === undefined ? {} : { eos };
  if (config.kind === 'file') return loadTokenizer(config.path, options);
  if (modelFolder === undefined) {
    throw new SpectraError('CONFIG_INVALID', {
      message: 'data.tokenizer is that of a model, but the model is none that exists.',
      where: 'data.tokenizer',
      fix: 'Give data.tokenizer {kind: file, path: …}, or train a model from a folder.',
    });
  }
  if (!existsSync(join(modelFolder, 'tokenizer.json'))) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: 'there is no tokenizer.json beside the model.',
      where: modelFolder,
      fix: 'Give data.tokenizer: {kind: file, path: …}, or {kind: bytes} for a model of bytes.',
    });
  }
  return { ...(await loadTokenizer(modelFolder, options)), name: "the model's tokenizer" };
}

/** Where the files beside a configured tokenizer are; bytes have none. */
export function tokenizerFolder(config: DataConfig['tokenizer'], modelFolder?: string): string | undefined {
  if (config.kind === 'bytes') return undefined;
  if (config.kind === 'model') return modelFolder;
  return existsSync(join(config.path, 'tokenizer.json')) ? config.path : dirname(config.path);
}

/** The end token that a configuration names in the place of the tokenizer's own. */
export function chosenEos(config: DataConfig['tokenizer']): string | undefined {
  return config.kind === 'bytes' ? undefined : config.eos;
}

async function readJson(path: string): Promise<object | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
    throw new Error('not an object');
  } catch (cause) {
    throw new SpectraError('TOKENIZER_INVALID', {
      message: 'it is not a JSON object.',
      where: path,
      fix: 'Copy it again from where the model comes from.',
      cause,
    });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SpectraError('TOKENIZER_INVALID', {
      message: `it cannot be read (${(cause as Error).message}).`,
      where: path,
      fix: 'Check that it is a file, and its permissions.',
      cause,
    });
  }
}
