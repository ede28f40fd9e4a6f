import { SpectraError } from '@spectra/tensor';
import { afterEach, expect, it, vi } from 'vitest';
import { exitCodeOf, formatError } from './exit-codes.ts';

afterEach(() => vi.unstubAllEnvs());

it.each([
  ['USAGE', 2],
  ['CONFIG_INVALID', 2],
  ['BACKEND_MISSING', 3],
  ['DIVERGED', 4],
  ['INTERRUPTED', 130],
  ['CHECKPOINT_MISSING', 1],
  ['DISK_FULL', 1],
] as const)('%s ends the program with %i', (code, status) => {
  expect(exitCodeOf(new SpectraError(code, { message: 'm' }))).toBe(status);
});

it('an error of a user is one line, with its stack only on request', () => {
  const error = new SpectraError('USAGE', { message: 'no.', where: 'here', fix: 'Do it.' });
  expect(formatError(error)).toBe('error USAGE: no. (at here) Fix: Do it.');
  vi.stubEnv('SPECTRA_DEBUG', '1');
  expect(formatError(error)).toContain('exit-codes.test.ts');
});

it('an error of the program shows its stack', () => {
  expect(exitCodeOf(new Error('bug'))).toBe(1);
  expect(formatError(new Error('bug'))).toMatch(/^Error: bug\n {4}at /);
  expect(formatError('text')).toBe('text');
});
