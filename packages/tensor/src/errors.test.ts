import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkShape, checkValue, ERROR_CODES, SpectraError } from './errors.ts';

describe('SpectraError', () => {
  it('says what, where and how to fix it', () => {
    const error = new SpectraError('VALUE', {
      message: 'k is 9.',
      where: 'route',
      fix: 'Use k ≤ 8.',
      cause: 'test',
    });
    expect(error.message).toBe('k is 9. (at route) Fix: Use k ≤ 8.');
    expect(error).toMatchObject({
      name: 'SpectraError',
      code: 'VALUE',
      where: 'route',
      fix: 'Use k ≤ 8.',
      cause: 'test',
    });
  });

  it('checks shapes and values', () => {
    expect(() => checkShape([2, 3], [-1, 3], 'x')).not.toThrow();
    expect(() => checkShape([2, 3], [2, 4], 'x')).toThrow('expected shape [2, 4], got [2, 3]. (at x)');
    expect(() => checkShape([2], [2, 1], 'x')).toThrow(SpectraError);
    expect(() => checkValue(false, 'no.', 'here')).toThrow('no. (at here)');
  });

  it('has its table in the documentation', () => {
    const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
    const rows = Object.fromEntries(
      [...page.matchAll(/^\| `(\w+)` *\| (.*?) *\|$/gm)].map(([, code, text]) => [code, text]),
    );
    expect(rows).toEqual(ERROR_CODES);
  });
});
