/** Experts by domain: a table whose cells are shaded by how far the affinity is from independence. */
import type { LayerReport } from '../layer-report.ts';
import { Html, html } from './html.ts';
import { type TableCell, table } from './tables.ts';

/** Affinity that gets the full shade: three times as often as by chance, or a third. */
const FULL_SHADE = 3;
/** Share of colour in the darkest cell; more would cost the number its contrast. */
const STRONGEST = 62;

/** Background of an affinity: one colour above 1, another below, none at 1; on a log scale. */
export function shade(affinity: number): string {
  const strength = Math.min(1, Math.abs(Math.log(Math.max(affinity, 1e-6))) / Math.log(FULL_SHADE));
  const percent = Math.round(strength * STRONGEST);
  return `background:color-mix(in oklab,var(--${affinity >= 1 ? 'more' : 'less'}) ${percent}%,var(--surface))`;
}

const heatCell = (affinity: number | null): TableCell =>
  affinity === null
    ? null
    : {
        content: html`<span class="heat" style="${shade(affinity)}">${affinity.toFixed(2)}</span>`,
        sort: affinity,
      };

/** Nothing for a layer without domain labels. */
export function heatMap(layer: LayerReport): Html {
  const { domains, loadByExpert } = layer;
  if (domains === null) return new Html('');
  return table(
    [
      { name: 'expert' },
      ...domains.names.map(name => ({ name, title: `P(expert | ${name}) / P(expert)` })),
      { name: 'purity', title: 'Largest share of one domain among the expert’s slots' },
    ],
    loadByExpert.map((_, expert) => [
      expert,
      ...domains.affinity[expert]!.map(heatCell),
      percent(domains.purity[expert]),
    ]),
    { caption: `Layer ${layer.layer}` },
  );
}

/** A share as percent. */
export const percent = (share: number | null | undefined): TableCell =>
  share === null || share === undefined ? null : { content: html`${(100 * share).toFixed(1)}%`, sort: share };

/** The key to the shades. */
export function heatKey(): Html {
  return html`<p class="heatkey" aria-hidden="true">${[1 / 3, 0.58, 1, 1.73, 3].map(
    affinity => html`<span style="${shade(affinity)}">${Number(affinity.toFixed(2))}</span>`,
  )}<span class="heatkey-text">times as often as by chance</span></p>`;
}
