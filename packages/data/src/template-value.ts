/** What files hold, in the form that chat templates take. */
import { SpectraError } from '@spectra/tensor';

/**
 * A value without the keys that are null at any depth, since a struct of Parquet has every key in every row and templates
 * ask whether a key is there; and with numbers in the place of 64-bit integers. Items of lists stay, null or not.
 * `CORPUS_INVALID` for an integer that no number holds.
 */
export function templateValue(value: unknown, where: string): unknown {
  if (typeof value === 'bigint') return exactNumber(value, where);
  if (Array.isArray(value)) return value.map(item => templateValue(item, where));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
      item === null || item === undefined ? [] : [[key, templateValue(item, where)]],
    ),
  );
}

function exactNumber(value: bigint, where: string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new SpectraError('CORPUS_INVALID', {
    message: `it holds ${value}, and a chat template can write whole numbers up to 2^53 only.`,
    where,
    fix: 'Write it as a text in the file, or leave the row out.',
  });
}
