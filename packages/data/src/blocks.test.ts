import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cutStream } from './blocks.ts';
import type { TextDocument } from './document.ts';

async function cut(chunks: readonly string[], length: number): Promise<TextDocument[]> {
  const blocks: TextDocument[] = [];
  for await (const block of cutStream('d', chunks, length)) blocks.push(block);
  return blocks;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

it('blocks are short enough, make up the text and do not depend on how it arrives', async () => {
  const piece = fc.oneof(
    fc.constantFrom('\n\n', '\n', ' ', '😀', 'aéb', 'word'),
    fc.string({ unit: 'binary' }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece), fc.integer({ min: 4, max: 40 }), async (chunks, length) => {
      const text = chunks.join('');
      const blocks = await cut(chunks, length);
      expect(blocks.map(block => block.text).join('')).toBe(text);
      expect(blocks).toEqual(await cut([text], length));
      for (const block of blocks) {
        expect(block.text.length).toBeLessThanOrEqual(length);
        expect(decoder.decode(encoder.encode(block.text))).toBe(block.text); // no surrogate was parted
      }
    }),
  );
});

it('cuts between paragraphs, else lines, else words, and numbers the blocks', async () => {
  expect(await cut(['one\n\ntwo two\n\nthree'], 12)).toEqual([
    { id: 'd', text: 'one\n\n' },
    { id: 'd#1', text: 'two two\n\n' },
    { id: 'd#2', text: 'three' },
  ]);
  expect((await cut(['aaaa bbbb\ncccc dddd eeee'], 12)).map(({ text }) => text)).toEqual([
    'aaaa bbbb\n',
    'cccc dddd ',
    'eeee',
  ]);
  expect((await cut(['x'.repeat(10)], 4)).map(({ text }) => text)).toEqual(['xxxx', 'xxxx', 'xx']);
  expect(await cut([''], 4)).toEqual([]);
});
