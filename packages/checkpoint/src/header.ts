/**
 * The header of a safetensors file: 8 bytes of little-endian length, then JSON. A header is a stranger's data, so
 * everything in it is checked before a byte of a tensor is read.
 */
import { SpectraError } from '@spectra/tensor';
import { DTYPES, isDtype, sizeOf, type TensorInfo } from './dtypes.ts';
import { findDuplicateKey } from './duplicate-keys.ts';

/** One tensor's place in a file. */
export interface TensorEntry extends TensorInfo {
  /** Byte range in the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** By name, in the header's order. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Longer headers are refused, as in the reference implementation. */
export const MAX_HEADER_BYTES = 100_000_000;

export function broken(message: string, where: string, cause?: unknown): SpectraError {
  return new SpectraError('CHECKPOINT_BROKEN', {
    message,
    where,
    fix: 'Copy or download the file again, or use another checkpoint.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A stranger's value in a message: quoted, without control characters, cut to a readable length. */
export function quote(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? 'undefined';
  } catch {
    text = 'a value nested too deeply'; // JSON.parse nests further than JSON.stringify follows
  }
  return text.length <= 200 ? text : `${text.slice(0, 200)}…`;
}

/** The header's length from the file's first 8 bytes. */
export function headerLength(prefix: Uint8Array, fileSize: number, file: string): number {
  if (fileSize < 8) throw broken(`the file has ${fileSize} bytes and no header.`, file);
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES) || length < 2n) {
    throw broken(`a header of ${length} bytes is announced: not a safetensors file.`, file);
  }
  if (8 + Number(length) > fileSize) {
    throw broken(`the header needs ${length} bytes, but the file ends after ${fileSize}: truncated.`, file);
  }
  return Number(length);
}

/** Parses and checks the header's JSON. `file` is named in errors. */
export function parseHeader(json: Uint8Array, fileSize: number, file: string): SafetensorsHeader {
  const raw = parseJson(json, file);
  const dataStart = 8 + json.byteLength;
  const entries = new Map<string, TensorEntry>();
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(raw)) {
    if (name === '__metadata__') metadata = parseMetadata(value, file);
    else entries.set(name, parseEntry(name, value, dataStart, fileSize, file));
  }
  checkLayout([...entries.values()], dataStart, fileSize, file);
  return { entries, metadata };
}

function parseJson(bytes: Uint8Array, file: string): Record<string, unknown> {
  let raw: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    raw = JSON.parse(text);
  } catch (cause) {
    throw broken('the header is not JSON.', file, cause);
  }
  if (!isRecord(raw) || text[0] !== '{') throw broken('the header is not a JSON object.', file);
  const duplicate = findDuplicateKey(text, raw);
  if (duplicate !== undefined) throw broken(`the header names ${quote(duplicate)} twice.`, file);
  return raw;
}

function parseMetadata(value: unknown, file: string): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every(entry => typeof entry === 'string')) {
    throw broken('__metadata__ is not a map of strings.', file);
  }
  return value as Record<string, string>;
}

function parseEntry(
  name: string,
  value: unknown,
  dataStart: number,
  fileSize: number,
  file: string,
): TensorEntry {
  const bad = (message: string): SpectraError => broken(message, `${file}, tensor ${quote(name)}`);
  if (!isRecord(value)) throw bad('the entry is not an object.');
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) throw bad(`unknown dtype ${quote(dtype)}.`);
  if (!isCounts(shape)) throw bad(`bad shape ${quote(shape)}.`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0]! > offsets[1]!) {
    throw bad(`bad data_offsets ${quote(offsets)}.`);
  }
  const [begin, end] = [dataStart + offsets[0]!, dataStart + offsets[1]!];
  const bytes = sizeOf(shape) * DTYPES[dtype].bytes;
  if (end - begin !== bytes) {
    throw bad(`${dtype} ${quote(shape)} takes ${bytes} bytes, its range has ${end - begin}.`);
  }
  if (end > fileSize) {
    throw bad(`its bytes end at ${end}, the file at ${fileSize}: out of range or truncated.`);
  }
  return { name, dtype, shape, begin, end };
}

/** The format wants the tensors to fill the data section without gaps or overlaps. */
function checkLayout(
  entries: readonly TensorEntry[],
  dataStart: number,
  fileSize: number,
  file: string,
): void {
  let position = dataStart;
  let previous = '';
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin < position) {
      throw broken(`its bytes overlap those of ${quote(previous)}.`, `${file}, tensor ${quote(entry.name)}`);
    }
    if (entry.begin > position) {
      throw broken(
        `${entry.begin - position} bytes before it belong to no tensor.`,
        `${file}, tensor ${quote(entry.name)}`,
      );
    }
    position = entry.end;
    previous = entry.name;
  }
  if (position !== fileSize) throw broken(`${fileSize - position} bytes after the last tensor.`, file);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(n => Number.isSafeInteger(n) && n >= 0);
}
