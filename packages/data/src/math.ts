/** Worked arithmetic and algebra, generated: a domain whose next token can be computed. */
import { Rng } from '@spectra/tensor';
import { type Corpus, type TextDocument, utf8Length } from './document.ts';

/** Problems in a document, all of one kind. */
const PROBLEMS = 6;

/** Document `index` of the generator: it depends on nothing but the seed and the index. */
export function mathDocument(index: number, seed = 0): string {
  const rng = new Rng(seed).split('math', index);
  const [title, problem] = KINDS[rng.integer(KINDS.length)]!;
  const parts = [title, ...Array.from({ length: PROBLEMS }, (_, i) => `${i + 1}. ${problem(rng)}`)];
  return `${parts.join('\n\n')}\n`;
}

/** The first documents of the generator, `maxBytes` of text. */
export function mathCorpus(domain: string, maxBytes: number, seed = 0): Corpus {
  return {
    domain,
    name: `math(seed ${seed}, ${maxBytes} bytes)`,
    bytes: maxBytes,
    async *documents(): AsyncIterable<TextDocument> {
      for (let index = 0, used = 0; ; index++) {
        const text = mathDocument(index, seed);
        used += utf8Length(text);
        if (used > maxBytes && index > 0) return;
        yield { id: String(index), text };
      }
    },
  };
}

type Problem = (rng: Rng) => string;

const KINDS: readonly (readonly [title: string, problem: Problem])[] = [
  ['Addition, digit by digit', addition],
  ['Subtraction', subtraction],
  ['Multiplication by parts', multiplication],
  ['Division with remainder', division],
  ['Greatest common divisor', commonDivisor],
  ['Adding fractions', fractions],
  ['Percentages', percentage],
  ['Linear equations', linearEquation],
  ['Quadratic equations', quadratic],
  ['Two equations, two unknowns', system],
  ['Arithmetic sequences', sequence],
];

/** An integer in [low, high]. */
function between(rng: Rng, low: number, high: number): number {
  return low + rng.integer(high - low + 1);
}

/** In [1, high], of either sign. */
function nonZero(rng: Rng, high: number): number {
  return between(rng, 1, high) * (rng.integer(2) === 0 ? 1 : -1);
}

/** A number of 2 to 5 digits. */
function number(rng: Rng): number {
  const digits = between(rng, 2, 5);
  return between(rng, 10 ** (digits - 1), 10 ** digits - 1);
}

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}

function addition(rng: Rng): string {
  const [a, b] = [number(rng), number(rng)];
  const lines: string[] = [];
  let carry = 0;
  for (let place = 1; place <= Math.max(a, b); place *= 10) {
    const [p, q] = [Math.floor(a / place) % 10, Math.floor(b / place) % 10];
    const sum = p + q + carry;
    const carried = carry > 0 ? ` + ${carry}` : '';
    const next = sum >= 10 ? `, write ${sum % 10}, carry 1` : '';
    lines.push(`${p} + ${q}${carried} = ${sum}${next}`);
    carry = sum >= 10 ? 1 : 0;
  }
  return `What is ${a} + ${b}?\n${lines.join('\n')}\nSo ${a} + ${b} = ${a + b}.`;
}

function subtraction(rng: Rng): string {
  const [a, b] = [number(rng), number(rng)].sort((x, y) => y - x) as [number, number];
  const tens = b - (b % 10);
  return (
    `What is ${a} - ${b}?\n${b} = ${tens} + ${b - tens}\n${a} - ${tens} = ${a - tens}\n` +
    `${a - tens} - ${b - tens} = ${a - b}\nSo ${a} - ${b} = ${a - b}. Check: ${a - b} + ${b} = ${a}.`
  );
}

function multiplication(rng: Rng): string {
  const [a, b] = [between(rng, 12, 999), between(rng, 12, 99)];
  const [tens, ones] = [b - (b % 10), b % 10];
  return (
    `What is ${a} * ${b}?\n${a} * ${tens} = ${a * tens}\n${a} * ${ones} = ${a * ones}\n` +
    `${a * tens} + ${a * ones} = ${a * b}\nSo ${a} * ${b} = ${a * b}.`
  );
}

function division(rng: Rng): string {
  const [a, b] = [between(rng, 100, 9999), between(rng, 3, 40)];
  const lines: string[] = [];
  let rest = 0;
  for (const digit of String(a)) {
    const part = rest * 10 + Number(digit);
    const quotient = Math.floor(part / b);
    rest = part - quotient * b;
    if (quotient > 0)
      lines.push(
        `${part} / ${b} gives ${quotient}, since ${quotient} * ${b} = ${quotient * b}; left ${rest}`,
      );
  }
  const quotient = Math.floor(a / b);
  return (
    `Divide ${a} by ${b}.\n${lines.join('\n')}\n` +
    `So ${a} = ${quotient} * ${b} + ${rest}: quotient ${quotient}, remainder ${rest}.`
  );
}

function commonDivisor(rng: Rng): string {
  const factor = between(rng, 1, 12);
  const [a, b] = [factor * between(rng, 11, 99), factor * between(rng, 2, 60)].sort((x, y) => y - x) as [
    number,
    number,
  ];
  const lines: string[] = [];
  for (let [x, y] = [a, b]; y !== 0; [x, y] = [y, x % y])
    lines.push(`${x} = ${Math.floor(x / y)} * ${y} + ${x % y}`);
  return `Find gcd(${a}, ${b}).\n${lines.join('\n')}\nThe last remainder that is not 0 decides: gcd(${a}, ${b}) = ${gcd(a, b)}.`;
}

function fractions(rng: Rng): string {
  const [a, b, c, d] = [between(rng, 1, 11), between(rng, 2, 12), between(rng, 1, 11), between(rng, 2, 12)];
  const common = (b * d) / gcd(b, d);
  const [p, q] = [(a * common) / b, (c * common) / d];
  const divisor = gcd(p + q, common);
  const reduced = common === divisor ? `${(p + q) / divisor}` : `${(p + q) / divisor}/${common / divisor}`;
  const last = divisor === 1 ? 'It cannot be reduced.' : `Divide by ${divisor}: ${reduced}.`;
  return (
    `What is ${a}/${b} + ${c}/${d}?\nThe common denominator is ${common}.\n` +
    `${a}/${b} = ${p}/${common} and ${c}/${d} = ${q}/${common}\n` +
    `${p}/${common} + ${q}/${common} = ${p + q}/${common}\n${last}`
  );
}

function percentage(rng: Rng): string {
  const [percent, whole] = [5 * between(rng, 1, 19), 20 * between(rng, 1, 200)];
  const one = whole / 100;
  return (
    `What is ${percent}% of ${whole}?\n1% of ${whole} is ${one}.\n${percent} * ${one} = ${(percent * whole) / 100}\n` +
    `So ${percent}% of ${whole} is ${(percent * whole) / 100}, and ${whole - (percent * whole) / 100} is left.`
  );
}

/** "3x + 4", "x - 2", "-x". */
function linear(a: number, b: number, x = 'x'): string {
  const first = a === 1 ? x : a === -1 ? `-${x}` : `${a}${x}`;
  return b === 0 ? first : `${first}${signed(b)}`;
}

function signed(b: number): string {
  return b < 0 ? ` - ${-b}` : ` + ${b}`;
}

function linearEquation(rng: Rng): string {
  const [x, c, d] = [nonZero(rng, 15), nonZero(rng, 9), nonZero(rng, 30)];
  const a = c + nonZero(rng, 9) || c + 10;
  const b = (c - a) * x + d;
  return (
    `Solve ${linear(a, b)} = ${linear(c, d)}.\nBring x to the left: ${linear(a - c, b)} = ${d}\n` +
    (b === 0 ? '' : `Bring ${Math.abs(b)} to the right: ${linear(a - c, 0)} = ${d - b}\n`) +
    `x = ${x}\nCheck: ${a} * ${paren(x)}${signed(b)} = ${a * x + b} and ${c} * ${paren(x)}${signed(d)} = ${c * x + d}.`
  );
}

function paren(x: number): string {
  return x < 0 ? `(${x})` : `${x}`;
}

function quadratic(rng: Rng): string {
  const [p, q] = [nonZero(rng, 12), nonZero(rng, 12)];
  const [sum, product] = [p + q, p * q];
  const middle = sum === 0 ? '' : `${sum > 0 ? ' - ' : ' + '}${Math.abs(sum) === 1 ? '' : Math.abs(sum)}x`;
  const roots = p === q ? `x = ${p}, twice` : `x = ${Math.min(p, q)} or x = ${Math.max(p, q)}`;
  return (
    `Solve x^2${middle}${signed(product)} = 0.\n` +
    `Two numbers with sum ${sum} and product ${product} are ${p} and ${q}.\n` +
    `(${linear(1, -p)})(${linear(1, -q)}) = 0\n${roots}.`
  );
}

function system(rng: Rng): string {
  const [x, y, a, b] = [nonZero(rng, 12), nonZero(rng, 12), between(rng, 2, 9), between(rng, 1, 9)];
  const [first, second] = [x + y, a * x - b * y];
  return (
    `Solve x + y = ${first} and ${a}x - ${b === 1 ? '' : b}y = ${second}.\n` +
    `From the first, y = ${first} - x.\nPut in: ${a}x - ${b} * (${first} - x) = ${second}\n` +
    `${a + b}x = ${second}${signed(b * first)} = ${second + b * first}\nx = ${x}, y = ${first} - ${paren(x)} = ${y}`
  );
}

function sequence(rng: Rng): string {
  const [first, step, count] = [nonZero(rng, 30), nonZero(rng, 12), between(rng, 6, 40)];
  const last = first + (count - 1) * step;
  const shown = [0, 1, 2, 3].map(i => first + i * step).join(', ');
  return (
    `Find term ${count} and the sum of the first ${count} terms of ${shown}, ...\n` +
    `The step is ${step}.\nTerm ${count} is ${first} + ${count - 1} * ${paren(step)} = ${last}\n` +
    `The sum is ${count} * (${first}${signed(last)}) / 2 = ${(count * (first + last)) / 2}`
  );
}
