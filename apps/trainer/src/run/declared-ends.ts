/** The tokens that a model's own files say it ends its texts with. */
import { join } from 'node:path';
import { folderFiles } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { parseJsonObject } from './json-object.ts';

/**
 * `eos_token_id`, a number or several, of a model folder's `generation_config.json` and `config.json`, as far as these are
 * there and name one. Errors: `FILE_BROKEN`, and `CONFIG_INVALID` for a file of another form.
 */
export async function declaredEnds(folder: string): Promise<number[]> {
  const files = folderFiles(folder);
  const ends: number[] = [];
  for (const name of ['generation_config.json', 'config.json']) {
    const text = await files.text(name);
    if (text !== undefined) ends.push(...endsIn(text, join(folder, name)));
  }
  return [...new Set(ends)];
}

function endsIn(text: string, where: string): number[] {
  const { eos_token_id: found } = parseJsonObject(text, where);
  if (found === undefined || found === null) return [];
  const ids: unknown[] = Array.isArray(found) ? found : [found];
  if (ids.every(id => Number.isInteger(id))) return ids as number[];
  throw new SpectraError('CONFIG_INVALID', {
    message: `eos_token_id is ${JSON.stringify(found)}, not a token's number or a list of such.`,
    where,
    fix: 'Copy the file again from where the model comes from, or correct it.',
  });
}
