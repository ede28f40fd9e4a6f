/** `.jsonl` and `.jsonl.gz` files: an object per line. */
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { corpusInvalid, decodeChunks, textChunks } from './files.ts';

/** An object of a file of rows, and where it stands, for errors. */
export interface FileRow {
  readonly value: Readonly<Record<string, unknown>>;
  readonly where: string;
}

/** The file's objects in order. A line that is none is `CORPUS_INVALID`; empty ones are passed over. */
export async function* jsonRows(path: string): AsyncIterable<FileRow> {
  let line = 0;
  for await (const text of lines(path)) {
    line++;
    if (text.trim() !== '') yield parseLine(text, `${path}:${line}`);
  }
}

/** The texts of the file in order. A line that is not an object with that key is `CORPUS_INVALID`. */
export async function* jsonLines(path: string, key: string): AsyncIterable<string> {
  for await (const { value, where } of jsonRows(path)) {
    const found = value[key];
    if (typeof found !== 'string') {
      throw corpusInvalid(
        `the line has no text under "${key}".`,
        where,
        'Set text_key to the key that holds the text.',
      );
    }
    yield found;
  }
}

async function* lines(path: string): AsyncIterable<string> {
  let rest = '';
  for await (const chunk of path.endsWith('.gz') ? unzippedChunks(path) : textChunks(path)) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop()!;
    yield* parts;
  }
  if (rest !== '') yield rest;
}

function unzippedChunks(path: string): AsyncIterable<string> {
  const file = createReadStream(path);
  const unzipped = createGunzip({ chunkSize: 1 << 18 });
  file.on('error', error => unzipped.destroy(error));
  return decodeChunks(file.pipe(unzipped) as AsyncIterable<Uint8Array>, path);
}

function parseLine(text: string, where: string): FileRow {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw corpusInvalid('the line is not JSON.', where, 'Write one JSON object per line.', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw corpusInvalid('the line is no object.', where, 'Write one JSON object per line.');
  return { value: value as Record<string, unknown>, where };
}
