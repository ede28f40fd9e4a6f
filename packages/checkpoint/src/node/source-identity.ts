/** What tells one source of a conversion from another. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelStore } from '../model-store.ts';
import { isMissing, readError } from './file-errors.ts';

const INDEX = 'model.safetensors.index.json';

/**
 * Names, sizes and times of the files that a conversion of the model in `folder` reads: configuration, weights, index, and
 * `companions` by name. Another identity, another conversion. Errors: `FILE_MISSING`, `FILE_BROKEN`.
 */
export async function sourceIdentity(
  folder: string,
  { stored }: ModelStore,
  companions: Readonly<Record<string, string>>,
): Promise<readonly (readonly [name: string, size: number, mtimeMs: number])[]> {
  const shards = stored.names().map(name => stored.entry(name).file);
  const names = new Set(['config.json', INDEX, ...shards, ...Object.keys(companions)]);
  const found: [string, number, number][] = [];
  for (const name of [...names].sort()) {
    const path = companions[name] ?? join(folder, name);
    try {
      const { size, mtimeMs } = await stat(path);
      found.push([name, size, mtimeMs]);
    } catch (error) {
      // a single file needs no index
      if (name !== INDEX || !isMissing(error)) throw readError(error, path);
    }
  }
  return found;
}
