/** The files that belong to a model beside its weights and configuration. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readError } from './file-errors.ts';

const TOKENIZER =
  /^(tokenizer.*|vocab\.(json|txt)|merges\.txt|special_tokens_map\.json|added_tokens\.json|chat_template\..*|tekken\.json|.*\.model)$/i;
/** Code is carried, never run: it is what `auto_map` names for others who read the model. */
const OTHERS = /^(generation_config\.json|[^/]*\.py|LICEN[CS]E.*|NOTICE.*|USE_POLICY.*|README.*)$/i;

/** Whether a file of this name belongs to a tokenizer. */
export function isTokenizerFile(name: string): boolean {
  return TOKENIZER.test(name);
}

/** Whether a file of this name belongs to a model: its tokenizer's, generation settings, code of its own, licence, notices and README. */
export function isCompanionFile(name: string): boolean {
  return TOKENIZER.test(name) || OTHERS.test(name);
}

/** Paths by name of a folder's files for which `isCompanionFile` holds. */
export async function companionFiles(folder: string): Promise<Record<string, string>> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    const wanted = entries.filter(entry => !entry.isDirectory() && isCompanionFile(entry.name));
    return Object.fromEntries(wanted.map(({ name }) => [name, join(folder, name)]));
  } catch (error) {
    throw readError(error, folder);
  }
}
