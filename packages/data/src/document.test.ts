import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limitBytes, memoryCorpus, type TextDocument, utf8Length } from './document.ts';
import { isHeldOut } from './split.ts';

it('utf8Length is the length of the encoding', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.oneof(fc.constantFrom('\ud800', '\udc00', 'é', '日', '😀', 'a')) }),
      text => {
        expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
      },
    ),
  );
});

it('limitBytes keeps the first documents that fit, at least one', async () => {
  const corpus = memoryCorpus(
    'x',
    ['aaaa', 'éé', 'b'].map((text, i) => ({ id: String(i), text })),
  );
  expect(corpus.bytes).toBe(9);
  const texts = async (limit: number): Promise<string[]> => {
    const found: TextDocument[] = [];
    for await (const document of limitBytes(corpus.documents(), limit)) found.push(document);
    return found.map(({ text }) => text);
  };
  expect(await texts(8)).toEqual(['aaaa', 'éé']);
  expect(await texts(7)).toEqual(['aaaa']);
  expect(await texts(1)).toEqual(['aaaa']);
});

describe('isHeldOut', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `document ${i}`);
  it('takes about the share it is asked for', () => {
    for (const share of [0.01, 0.05, 0.5]) {
      const found = ids.filter(id => isHeldOut(id, share)).length / ids.length;
      expect(Math.abs(found - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / ids.length));
    }
  });
  it('keeps what was held out when the share grows, and changes with the seed', () => {
    expect(ids.every(id => !isHeldOut(id, 0.05) || isHeldOut(id, 0.2))).toBe(true);
    const both = ids.filter(id => isHeldOut(id, 0.1, 1) && isHeldOut(id, 0.1, 2)).length;
    expect(both / ids.length).toBeCloseTo(0.01, 2);
  });
});
