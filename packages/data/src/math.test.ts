import { expect, it } from 'vitest';
import { mathCorpus, mathDocument } from './math.ts';

/** Every equation between plain numbers in a text, as [left, right]. */
function equations(text: string): [string, string][] {
  const number = String.raw`\(?-?\d+(?:\.\d+)?\)?`;
  const side = String.raw`\(?${number}(?: [-+*/] ${number})*\)?(?: / \d+)?`;
  const pattern = new RegExp(String.raw`(?<![\w/^*+] ?|[-x] )(${side}) = (${number})(?![\w/]| [-+*/])`, 'g');
  return [...text.matchAll(pattern)].map(([, left, right]) => [left!, right!]);
}

it('every equation between numbers holds', () => {
  let checked = 0;
  for (let index = 0; index < 400; index++) {
    const text = mathDocument(index, 3).replaceAll(/(\d+)\/(\d+)/g, '($1 / $2)');
    for (const [left, right] of equations(text)) {
      const value = new Function(`return (${left}) - (${right})`)() as number;
      expect(Math.abs(value), `${left} = ${right} in document ${index}`).toBeLessThan(1e-9);
      checked++;
    }
  }
  expect(checked).toBeGreaterThan(3000);
});

it('depends on nothing but seed and index, and has a size', async () => {
  expect(mathDocument(7, 1)).toBe(mathDocument(7, 1));
  expect(mathDocument(7, 1)).not.toBe(mathDocument(7, 2));
  let bytes = 0;
  for await (const { text } of mathCorpus('math', 20_000).documents()) bytes += text.length;
  expect(bytes).toBeGreaterThan(18_000);
  expect(bytes).toBeLessThanOrEqual(20_000);
});

it('has few repeated documents', () => {
  const seen = new Set(Array.from({ length: 2000 }, (_, i) => mathDocument(i)));
  expect(seen.size).toBe(2000);
});
