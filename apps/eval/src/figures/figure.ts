/** A picture of the report: for the page in two sizes, and as an SVG file of its own. */
import { colourVariables, type Html } from '@spectra/monitor/node';

export interface Figure {
  /** Part of its file's name. */
  readonly id: string;
  readonly title: string;
  readonly caption: string;
  readonly body: Html;
  /** Ids of the runs that it shows. */
  readonly runs: readonly string[];
}

/** Colours that a figure may take. */
export const COLOURS = 64;

const THEME =
  `svg{background:#fff;color:#3c424c;font-family:system-ui,sans-serif;--surface:#fff;--more:#1f7fc4;${colourVariables(COLOURS, 'light')}}` +
  `@media (prefers-color-scheme:dark){svg{background:#181c22;color:#c7cdd6;--surface:#181c22;--more:#2680c2;${colourVariables(COLOURS, 'dark')}}}`;

/** The wide form of each chart in the figure, as files that need no page. */
export function svgFiles({ id, body }: Figure): { readonly name: string; readonly text: string }[] {
  const wide = [...body.text.matchAll(/<div class="wide">(<svg[\s\S]*?<\/svg>)<\/div/g)].map(
    match => match[1]!,
  );
  return wide.map((svg, i) => ({
    name: wide.length === 1 ? `${id}.svg` : `${id}-${i + 1}.svg`,
    text: `${alone(svg)}\n`,
  }));
}

/** With its namespace and its colours. */
function alone(svg: string): string {
  const spaced = /^<svg[^>]* xmlns=/.test(svg)
    ? svg
    : svg.replace('<svg', '<svg xmlns="http://www.w3.org/2000/svg"');
  return spaced.replace(/^(<svg[^>]*>)/, `$1<style>${THEME}</style>`);
}
