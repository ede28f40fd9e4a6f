import { expect, it } from 'vitest';
import { mathCorpus, mathDocument } from './math.ts';

/** The value of an arithmetic expression, in which x and y may stand. */
function value(expression: string, x = Number.NaN, y = Number.NaN): number {
  const script = expression
    .replaceAll('^', '**')
    .replaceAll(/(\d|\))(?=[xy(])/g, '$1*')
    .replaceAll(/- -/g, '+ ');
  return new Function('x', 'y', `return ${script}`)(x, y) as number;
}

function holds(equation: string, where: string, x?: number, y?: number): void {
  const [first, ...others] = equation.split(' = ').map(side => value(side, x, y));
  for (const other of others) expect(Math.abs(first! - other), `${equation} in ${where}`).toBeLessThan(1e-9);
}

const documents = Array.from({ length: 500 }, (_, index) => mathDocument(index, 3));

it('every equation between numbers holds', () => {
  let checked = 0;
  for (const [index, text] of documents.entries()) {
    for (const line of text.split('\n')) {
      // "x = 3, y = 5 - 3 = 2": what follows has no unknown
      const known = line.includes(', y = ') ? line.slice(line.indexOf(', y = ') + 6) : line;
      if (/(?<![a-z])[xy](?![a-z])/.test(known)) continue;
      for (const [equation] of known.matchAll(/(?:[(\d]|-\d)[\d ()+*/.-]*(?: = [\d ()+*/.-]*[\d)])+/g)) {
        if (equation.split('(').length !== equation.split(')').length) continue; // gcd(12, 8) = 4
        holds(equation, `document ${index}`);
        checked++;
      }
    }
  }
  expect(checked).toBeGreaterThan(5000);
});

it('the solutions of equations solve them', () => {
  let checked = 0;
  for (const [index, text] of documents.entries()) {
    for (const problem of text.split(/\n\n\d+\. /).slice(1)) {
      const equations = /^Solve (.*)\.\n/.exec(problem)?.[1]?.split(' and ');
      if (equations === undefined) continue;
      const solution = problem.slice(problem.lastIndexOf('\nx = '));
      const y = /y = .* (-?\d+)$/m.exec(solution)?.[1];
      for (const [, x] of solution.matchAll(/x = (-?\d+)/g)) {
        for (const equation of equations) {
          holds(equation, `document ${index}`, Number(x), y === undefined ? undefined : Number(y));
          checked++;
        }
      }
    }
  }
  expect(checked).toBeGreaterThan(800);
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
