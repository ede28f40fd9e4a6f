/** Files of conversations as a corpus. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { readConversation } from '../conversation.ts';
import { type Corpus, limitBytes, type TextDocument } from '../document.ts';
import type { CorpusConfig } from '../schema.ts';
import { hash32 } from '../split.ts';
import type { ChatTemplate } from '../tokenizer/chat-template.ts';
import { corpusInvalid, listFiles } from './files.ts';
import { type FileRow, jsonRows } from './json-lines.ts';
import { parquetRows } from './parquet.ts';

export type ChatCorpusConfig = Extract<CorpusConfig, { source: 'chat' }>;

/** The chat template of the tokenizer, or that of `text`. */
export type TemplateLoader = (text?: string) => Promise<ChatTemplate>;

/**
 * Opens a corpus of conversations: files are listed now, read when documents are asked for. The template is loaded when a
 * row needs it.
 */
export async function openChatCorpus(
  config: ChatCorpusConfig,
  loadTemplate: TemplateLoader,
): Promise<Corpus> {
  const { domain, paths, messages_key: key, template: path, max_bytes: limit } = config;
  const files = await listFiles(paths, isRowFile);
  const unknown = files.find(file => !isRowFile(file.path));
  if (unknown !== undefined)
    throw corpusInvalid('its kind is not known.', unknown.path, 'Use .jsonl, .jsonl.gz or .parquet.');
  const text = path === undefined ? undefined : await templateText(path);
  let loaded: Promise<ChatTemplate> | undefined;
  const template = (): Promise<ChatTemplate> => (loaded ??= loadTemplate(text));
  async function* documents(): AsyncIterable<TextDocument> {
    for (const file of files) {
      let row = 0;
      for await (const { value, where } of rowsOf(resolve(file.path), key)) {
        yield { id: `${file.id}:${row++}`, ...(await readConversation(value, key, template, where)) };
      }
    }
  }
  return {
    domain,
    name: [
      `conversations ${files.map(({ id }) => id).join(', ')}`,
      ...(text === undefined ? [] : [`template ${hash32(text).toString(16)}`]),
      ...(limit === undefined ? [] : [`${limit} bytes`]),
    ].join(', '),
    bytes: Math.min(
      limit ?? Number.POSITIVE_INFINITY,
      files.reduce((sum, { size }) => sum + size, 0),
    ),
    documents: () => (limit === undefined ? documents() : limitBytes(documents(), limit)),
  };
}

function isRowFile(name: string): boolean {
  return /\.(jsonl|jsonl\.gz|parquet)$/.test(name);
}

function rowsOf(path: string, key: string): AsyncIterable<FileRow> {
  if (!path.endsWith('.parquet')) return jsonRows(path);
  const wanted = [key, 'prompt', 'completion', 'tools'];
  return parquetRows(path, columns => columns.filter(column => wanted.includes(column)));
}

async function templateText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(cause => {
    throw new SpectraError('FILE_MISSING', {
      message: 'the chat template cannot be read.',
      where: path,
      fix: 'Check the path; it is relative to the working directory.',
      cause,
    });
  });
}
