/**
 * Colours that stay apart for the common forms of colour blindness (Okabe and Ito, 2008), in one tone for light and one
 * for dark pages. Experts beyond eight reuse the hues in lighter and darker tones, so nothing is told by colour
 * alone: charts also label, tables also print numbers.
 */
const LIGHT = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#c2629b',
  '#3aa5df',
  '#e09600',
  '#8a7a00',
  '#6b6f76',
] as const;
const DARK = [
  '#4aa3e0',
  '#f07f3c',
  '#26b98f',
  '#e29ac6',
  '#8ecbf5',
  '#f2b441',
  '#d8cc4e',
  '#aeb4bd',
] as const;

/** Tone of the n-th reuse of a hue: mixed with a share of white or black. */
const TONES = ['', 'white 45%', 'black 35%', 'white 70%', 'black 60%'] as const;

const tone = (base: string, reuse: number): string => {
  const mix = TONES[reuse % TONES.length]!;
  return mix === '' ? base : `color-mix(in oklab, ${base}, ${mix})`;
};

/** `--x0 … --x(n−1)` of one theme. */
export function colourVariables(count: number, theme: 'light' | 'dark'): string {
  const bases = theme === 'light' ? LIGHT : DARK;
  return Array.from(
    { length: count },
    (_, i) => `--x${i}:${tone(bases[i % bases.length]!, Math.floor(i / bases.length))};`,
  ).join('');
}

export const colourOf = (i: number): string => `var(--x${i})`;

/** Dashes that tell lines apart without colour. */
const DASHES = ['', '7 3', '2 3', '9 3 2 3', '12 4', '4 2 1 2', '1 4', '14 3 3 3'] as const;

export const dashOf = (i: number): string => DASHES[i % DASHES.length]!;
