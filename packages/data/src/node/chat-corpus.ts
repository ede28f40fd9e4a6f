/** Files of conversations as a corpus. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { CONVERSATION_DATE, readConversation } from '../conversation.ts';
import { type Corpus, limitBytes, type TextDocument } from '../document.ts';
import type { CorpusConfig } from '../schema.ts';
import { hash32 } from '../split.ts';
import { type ChatTemplate, chatTemplate, configTemplate } from '../tokenizer/chat-template.ts';
import { corpusInvalid, listFiles } from './files.ts';
import { type FileRow, jsonRows } from './json-lines.ts';
import type { ChatTemplateFiles } from './load-tokenizer.ts';
import { parquetRows } from './parquet.ts';

export type ChatCorpusConfig = Extract<CorpusConfig, { source: 'chat' }>;

/**
 * Opens a corpus of conversations: the template is made and files are listed now, these read when documents are asked for.
 * `TOKENIZER_INVALID` for a template that cannot be used; where there is none, only once a row needs it.
 */
export async function openChatCorpus(
  config: ChatCorpusConfig,
  beside: ChatTemplateFiles = { config: {}, text: undefined, where: 'data.corpora' },
): Promise<Corpus> {
  const { domain, paths, messages_key: key, template: path, date, max_bytes: limit } = config;
  const files = await listFiles(paths, isRowFile);
  const unknown = files.find(file => !isRowFile(file.path));
  if (unknown !== undefined)
    throw corpusInvalid('its kind is not known.', unknown.path, 'Use .jsonl, .jsonl.gz or .parquet.');
  const text = path === undefined ? undefined : await templateText(path);
  const template = openTemplate(path === undefined ? beside : { config: beside.config, text, where: path });
  async function* documents(): AsyncIterable<TextDocument> {
    for (const file of files) {
      let row = 0;
      for await (const { value, where } of rowsOf(resolve(file.path), key)) {
        yield {
          id: `${file.id}:${row++}`,
          where,
          ...readConversation(value, { key, template, where, date }),
        };
      }
    }
  }
  return {
    domain,
    name: [
      `conversations ${files.map(({ id }) => id).join(', ')}`,
      ...(text === undefined ? [] : [`template ${hash32(text).toString(16)}`]),
      // cursors of programs that knew no date go on with the default
      ...(date === CONVERSATION_DATE ? [] : [`date ${date}`]),
      ...(limit === undefined ? [] : [`${limit} bytes`]),
    ].join(', '),
    splitName: 'conversations',
    bytes: Math.min(
      limit ?? Number.POSITIVE_INFINITY,
      files.reduce((sum, { size }) => sum + size, 0),
    ),
    documents: () => (limit === undefined ? documents() : limitBytes(documents(), limit)),
  };
}

function openTemplate({ config, text, where }: ChatTemplateFiles): () => ChatTemplate {
  const made = (): ChatTemplate => chatTemplate(config, text, where);
  if (text === undefined && configTemplate(config) === undefined) return made; // which says so
  const template = made();
  return () => template;
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
