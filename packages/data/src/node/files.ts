/** Finding and reading text files, with errors that say what to do. */
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { SpectraError } from '@spectra/tensor';

export interface TextFile {
  /** Where it is. */
  readonly path: string;
  /** The same on every machine: the path below what was asked for. */
  readonly id: string;
  readonly size: number;
}

/** Kinds of file that the `files` source reads. */
export const TEXT_EXTENSIONS = ['.txt', '.md', '.jsonl', '.gz', '.parquet'] as const;

export function corpusInvalid(message: string, where: string, fix: string, cause?: unknown): SpectraError {
  return new SpectraError('CORPUS_INVALID', {
    message,
    where,
    fix,
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * The files at `paths` in the given order, folders replaced by the files below them, sorted by path. `FILE_MISSING`
 * for a path that is not there, `CORPUS_INVALID` for an empty file or a folder without any.
 */
export async function listFiles(
  paths: readonly string[],
  accept: (name: string) => boolean,
  skipFolder: (name: string) => boolean = () => false,
): Promise<TextFile[]> {
  const files: TextFile[] = [];
  for (const path of paths) {
    const found = await stat(path).catch(cause => {
      throw new SpectraError('FILE_MISSING', {
        message: 'there is no such file or folder.',
        where: path,
        fix: 'Check the path; it is relative to the working directory.',
        cause,
      });
    });
    if (!found.isDirectory()) {
      if (found.size === 0) throw corpusInvalid('the file is empty.', path, 'Remove it from the corpus.');
      files.push({ path, id: path.split(/[/\\]/).at(-1)!, size: found.size });
      continue;
    }
    const below = await filesBelow(path, '', accept, skipFolder, new Set([await realpath(path)]));
    if (below.length === 0) {
      throw corpusInvalid('no file in it can be read.', path, 'Name a folder that holds text files.');
    }
    files.push(...below);
  }
  return files;
}

/** Each file once, whatever links lead to it; `seen` are the real paths of files and folders that were met. */
async function filesBelow(
  root: string,
  under: string,
  accept: (name: string) => boolean,
  skipFolder: (name: string) => boolean,
  seen: Set<string>,
): Promise<TextFile[]> {
  const files: TextFile[] = [];
  const entries = await readdir(join(root, under), { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const id = under === '' ? entry.name : `${under}/${entry.name}`;
    const real = await reached(join(root, id));
    if (real === undefined || seen.has(real)) continue;
    const found = await stat(real);
    if (found.isDirectory() && !skipFolder(entry.name)) {
      seen.add(real);
      files.push(...(await filesBelow(root, id, accept, skipFolder, seen)));
    } else if (found.isFile() && accept(entry.name) && found.size > 0) {
      seen.add(real);
      files.push({ path: join(root, id), id, size: found.size });
    }
  }
  return files;
}

/** The real path; undefined of a link that leads nowhere, or round. */
async function reached(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (['ENOENT', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

export function isTextFile(name: string): boolean {
  const extension = extname(name);
  return (
    TEXT_EXTENSIONS.some(known => known === extension) && (extension !== '.gz' || name.endsWith('.jsonl.gz'))
  );
}

/** Files evenly spread over the list whose sizes add up to about `budget`; all of them if that is enough. */
export function spreadFiles(files: readonly TextFile[], budget: number): TextFile[] {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  if (total <= budget) return [...files];
  const chosen: TextFile[] = [];
  let owed = 0;
  for (const file of files) {
    owed += (file.size * budget) / total;
    if (owed < file.size / 2) continue;
    owed -= file.size;
    chosen.push(file);
  }
  return chosen.length > 0 ? chosen : files.slice(0, 1);
}

/** A file as UTF-8; anything else is `CORPUS_INVALID`. A byte order mark is dropped. */
export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch(cause => {
    throw corpusInvalid(
      `it cannot be read (${(cause as Error).message}).`,
      path,
      'Check its permissions.',
      cause,
    );
  });
  return decode(new TextDecoder('utf-8', { fatal: true }), bytes, path, false);
}

/** The bytes of a file as UTF-8 text, chunk by chunk. */
export async function* textChunks(path: string): AsyncIterable<string> {
  const bytes = createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Uint8Array>;
  yield* decodeChunks(bytes, path);
}

export async function* decodeChunks(bytes: AsyncIterable<Uint8Array>, path: string): AsyncIterable<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of bytes) yield decode(decoder, chunk, path, true);
  } catch (cause) {
    if (cause instanceof SpectraError) throw cause;
    throw corpusInvalid(
      `it cannot be read (${(cause as Error).message}).`,
      path,
      'Check that it is whole and readable.',
      cause,
    );
  }
  yield decode(decoder, new Uint8Array(), path, false);
}

function decode(decoder: TextDecoder, bytes: Uint8Array, path: string, stream: boolean): string {
  try {
    return decoder.decode(bytes, { stream });
  } catch (cause) {
    throw corpusInvalid('it is not UTF-8 text.', path, 'Convert it, e.g. with iconv -t utf-8.', cause);
  }
}
