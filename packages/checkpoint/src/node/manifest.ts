/** `manifest.json` lists what a checkpoint consists of; `DONE`, written last, holds the manifest's own hash. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SpectraError } from '@spectra/tensor';
import { broken } from '../header.ts';
import { isPlainFileName } from '../sharded.ts';
import { isMissing, readError } from './file-errors.ts';

export const MANIFEST = 'manifest.json';
export const DONE = 'DONE';

export interface ManifestEntry {
  readonly size: number;
  readonly sha256: string;
}
export interface Manifest {
  readonly format: 'spectra-checkpoint';
  readonly version: 1;
  /** By file name. */
  readonly files: Readonly<Record<string, ManifestEntry>>;
}

/** `size`: every file is there and as long as it was. `sha256`: and holds the same bytes. */
export type Verification = 'size' | 'sha256';

/** Reads and verifies; `CHECKPOINT_MISSING` without a folder, else `CHECKPOINT_BROKEN` with what is wrong. */
export async function readManifest(folder: string, verify: Verification): Promise<Manifest> {
  const done = await readText(folder, DONE);
  if (done === undefined) {
    const there = await stat(folder).catch(() => undefined);
    if (there === undefined) {
      throw new SpectraError('CHECKPOINT_MISSING', {
        message: 'there is no such checkpoint.',
        where: folder,
      });
    }
    throw broken('it has no DONE marker: its writer was interrupted.', folder);
  }
  const text = await readText(folder, MANIFEST);
  if (text === undefined) throw broken(`${MANIFEST} is missing.`, folder);
  if (createHash('sha256').update(text).digest('hex') !== done.trim()) {
    throw broken(`${MANIFEST} is not the one that was written.`, folder);
  }
  const manifest = parseManifest(text, folder);
  for (const [name, entry] of Object.entries(manifest.files)) await verifyFile(folder, name, entry, verify);
  return manifest;
}

function parseManifest(text: string, folder: string): Manifest {
  const where = join(folder, MANIFEST);
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch (cause) {
    throw broken('it is not JSON.', where, cause);
  }
  if (manifest?.format !== 'spectra-checkpoint' || manifest.version !== 1) {
    throw broken('it is not a SPECTRA checkpoint of version 1.', where);
  }
  for (const name of Object.keys(manifest.files)) {
    if (!isPlainFileName(name)) throw broken(`${JSON.stringify(name)} is not a file name.`, where);
  }
  return manifest;
}

async function verifyFile(
  folder: string,
  name: string,
  entry: ManifestEntry,
  verify: Verification,
): Promise<void> {
  const path = join(folder, name);
  const found = await stat(path).catch(error => {
    if (isMissing(error)) throw broken('the file is missing.', path, error);
    throw readError(error, path);
  });
  if (found.size !== entry.size) throw broken(`it has ${found.size} bytes instead of ${entry.size}.`, path);
  if (verify === 'sha256' && (await hashFile(path)) !== entry.sha256) {
    throw broken('its sha256 is not the one in the manifest: the content changed.', path);
  }
}

/** The hexadecimal sha256 of a file, streamed. */
export async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }))
      hash.update(chunk as Buffer);
  } catch (error) {
    throw readError(error, path);
  }
  return hash.digest('hex');
}

async function readText(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw readError(error, join(folder, name));
  }
}
