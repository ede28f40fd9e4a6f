import { byteTokenizer } from '@spectra/data';
import { expect, it } from 'vitest';
import { tokenTexts } from './sample.ts';

it('a character of several bytes belongs to its last one', () => {
  const tokenizer = byteTokenizer();
  expect(tokenTexts(tokenizer.encode('aé–b'), tokenizer)).toEqual(['a', '', 'é', '', '', '–', 'b']);
});

it('bytes that are no text show as such and lose nothing after them', () => {
  const texts = tokenTexts([0xff, 0xff, 0xff, 0xff, 0x61, 0xc3], byteTokenizer());
  expect(texts.join('')).toMatch(/^\ufffd+a\ufffd$/);
  expect(texts.at(-1)).toBe('\ufffd');
});
