import { expect, it } from 'vitest';
import { DARK, LIGHT } from './palette.ts';

type Triple = readonly [number, number, number];
type Matrix = readonly [Triple, Triple, Triple];

/** What a reader sees who lacks one kind of cone, in linear sRGB (Machado, Oliveira and Fernandes 2009, severity 1). */
const SIGHT: Readonly<Record<string, Matrix>> = {
  'all cones': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** OKLab (Ottosson 2020): distances are about as large as they look. */
const CONES: Matrix = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const LAB: Matrix = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];

const times = (matrix: Matrix, [x, y, z]: Triple): Triple =>
  matrix.map(([a, b, c]) => a * x + b * y + c * z) as unknown as Triple;
const each = (values: Triple, f: (value: number) => number): Triple => values.map(f) as unknown as Triple;

function linear(hex: string): Triple {
  const channels = [1, 3, 5].map(i => Number.parseInt(hex.slice(i, i + 2), 16) / 255);
  return channels.map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)) as unknown as Triple;
}

function seen(hex: string, sight: Matrix): Triple {
  const light = each(times(sight, linear(hex)), v => Math.min(1, Math.max(0, v)));
  return times(LAB, each(times(CONES, light), Math.cbrt));
}

const apart = (a: Triple, b: Triple): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

const luminance = (hex: string): number => {
  const [r, g, b] = linear(hex);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};

it.each(
  [
    { theme: 'light', colours: LIGHT },
    { theme: 'dark', colours: DARK },
  ].flatMap(set => Object.entries(SIGHT).map(([name, sight]) => ({ ...set, name, sight }))),
)('$theme: every two colours are apart for readers with $name', ({ colours, sight }) => {
  const shown = colours.map(hex => seen(hex, sight));
  for (const [i, a] of shown.entries()) {
    for (const [j, b] of shown.entries())
      if (j < i) expect(apart(a, b), `${colours[j]} and ${colours[i]}`).toBeGreaterThan(0.08);
  }
});

it('a palette in which two are alike would be found', () => {
  const [a, b] = ['#e29ac6', '#aeb4bd'].map(hex => seen(hex, SIGHT.deuteranopia!));
  expect(apart(a!, b!)).toBeLessThan(0.02);
});

it.each([
  ['light', LIGHT, '#ffffff', 2.2],
  ['dark', DARK, '#181c22', 3],
] as const)('%s: every colour stands out from the page', (_, colours, page, ratio) => {
  for (const hex of colours) {
    const [a, b] = [luminance(hex), luminance(page)];
    expect((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), hex).toBeGreaterThan(ratio);
  }
});
