/** Whether and how to colour terminal text. */

export interface ColourStream {
  readonly isTTY?: boolean;
}

/** True on a terminal; `NO_COLOR` turns colours off and `FORCE_COLOR` on (no-color.org, force-color.org). */
export function wantsColour(
  stream: ColourStream = process.stdout,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  if (environment.NO_COLOR) return false;
  if (environment.FORCE_COLOR !== undefined) return environment.FORCE_COLOR !== '0';
  return stream.isTTY === true && environment.TERM !== 'dumb';
}

/**
 * Background of expert e in the 256-colour palette, all light enough for black text and apart in lightness as well as
 * hue; experts beyond the list share colours, so print ids with many experts.
 */
const BACKGROUNDS = [117, 215, 114, 219, 229, 153, 181, 80, 210, 190, 147, 223, 120, 176, 195, 222] as const;

const RESET = '\u001b[0m';

export const onExpertColour = (text: string, expert: number): string =>
  `\u001b[30;48;5;${BACKGROUNDS[expert % BACKGROUNDS.length]}m${text}${RESET}`;

export const bold = (text: string, colour: boolean): string => (colour ? `\u001b[1m${text}\u001b[22m` : text);

export const dim = (text: string, colour: boolean): string => (colour ? `\u001b[2m${text}\u001b[22m` : text);

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with one
const ESCAPES = /\u001b\[[0-9;]*m/g;

/** Code points without colour codes: how wide most text is on a terminal. */
export const printedWidth = (text: string): number => [...text.replace(ESCAPES, '')].length;
