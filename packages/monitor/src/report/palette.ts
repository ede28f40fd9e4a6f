/**
 * Eight colours near Okabe and Ito's (2008), moved until every two are far apart for readers without red, green or blue
 * cones as well, one set for light and one for dark pages. Experts beyond eight reuse the hues in lighter and
 * darker tones, so nothing is told by colour alone: charts also label, tables also print numbers.
 */
export const LIGHT = [
  '#015cc1',
  '#e73511',
  '#48ad87',
  '#a66cb1',
  '#2bb4ff',
  '#bbab1e',
  '#707f5d',
  '#6b5667',
] as const;
export const DARK = [
  '#45acff',
  '#ee5b14',
  '#07a26c',
  '#e279ba',
  '#3fe2ff',
  '#dbb100',
  '#dce961',
  '#bbc8af',
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
