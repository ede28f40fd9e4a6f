import { readFileSync } from 'node:fs';
import { SpectraError } from '@spectra/tensor';

/** The text of a file; `what` it is stands in the error. @throws FILE_MISSING */
export function readTextFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SpectraError('FILE_MISSING', {
      message: `the ${what} cannot be read.`,
      where: path,
      fix: 'Check the path.',
      cause,
    });
  }
}
