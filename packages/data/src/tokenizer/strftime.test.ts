import { expect, it } from 'vitest';
import { strftime } from './strftime.ts';

const EVERY = '%Y %y %m %B %b %d %e %j %A %a %H %I %M %S %p %% %-d/%-m %-I %-H';

it.each([
  // as Python 3.11 writes them
  ['2024-02-03T00:05:09Z', '2024 24 02 February Feb 03  3 034 Saturday Sat 00 12 05 09 AM % 3/2 12 0'],
  ['2023-12-31T13:00:00Z', '2023 23 12 December Dec 31 31 365 Sunday Sun 13 01 00 00 PM % 31/12 1 13'],
])('writes %s as Python does', (date, text) => {
  expect(strftime(new Date(date), EVERY)).toBe(text);
});

it('refuses what it does not know', () => {
  for (const format of ['%Q', 'at the end %'])
    expect(() => strftime(new Date(0), format)).toThrow('knows no %');
});
