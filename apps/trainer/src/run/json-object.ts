/** Files of others that hold one JSON object. */
import { SpectraError } from '@spectra/tensor';
import { isSection } from '../config/is-section.ts';

/** `FILE_BROKEN` for a text that is no JSON, `CONFIG_INVALID` for JSON that is no object; `where` names the file. */
export function parseJsonObject(text: string, where: string): Readonly<Record<string, unknown>> {
  const fix = 'Copy the file again from where the model comes from, or correct it.';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new SpectraError('FILE_BROKEN', { message: 'it is not JSON.', where, fix, cause });
  }
  if (isSection(value)) return value;
  throw new SpectraError('CONFIG_INVALID', { message: 'it is not a JSON object.', where, fix });
}
