/** The tokens that a model's own files say it ends its texts with. */
import { join } from 'node:path';
import { folderFiles } from '@spectra/checkpoint/node';
import { SpectraError } from '@spectra/tensor';
import { isSection } from '../config/is-section.ts';

/**
 * `eos_token_id`, a number or several, of a model folder's `generation_config.json` and `config.json`, as far as these are
 * there and name one. `CONFIG_INVALID` for a file of another form.
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
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw invalid('it is not JSON.', where, cause);
  }
  if (!isSection(config)) throw invalid('it is not a JSON object.', where);
  const { eos_token_id: found } = config;
  if (found === undefined || found === null) return [];
  const ids: unknown[] = Array.isArray(found) ? found : [found];
  if (ids.every(id => Number.isInteger(id))) return ids as number[];
  throw invalid(`eos_token_id is ${JSON.stringify(found)}, not a token's number or a list of such.`, where);
}

function invalid(message: string, where: string, cause?: unknown): SpectraError {
  return new SpectraError('CONFIG_INVALID', {
    message,
    where,
    fix: 'Copy the file again from where the model comes from, or correct it.',
    ...(cause === undefined ? {} : { cause }),
  });
}
