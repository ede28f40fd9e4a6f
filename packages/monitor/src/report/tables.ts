/** Tables that sort by a click on their headings. */
import { formatCell } from '../terminal/format-table.ts';
import { type Html, html } from './html.ts';

export interface Column {
  readonly name: string;
  /** What an abbreviation means. */
  readonly title?: string;
}

export type TableCell =
  | number
  | string
  | null
  | undefined
  | { readonly content: Html; readonly sort: number | string };

export interface TableOptions {
  readonly caption?: string;
  /** Accessible name where there is no caption. */
  readonly label?: string;
  /** Rows that stay below when sorted. */
  readonly footer?: readonly (readonly TableCell[])[];
  /** Headings above spans of columns, in order. */
  readonly groups?: readonly { readonly name: string; readonly span: number }[];
}

const isObject = (cell: TableCell): cell is { readonly content: Html; readonly sort: number | string } =>
  typeof cell === 'object' && cell !== null;

const isNumeric = (cell: TableCell): boolean =>
  cell === null || cell === undefined || typeof (isObject(cell) ? cell.sort : cell) === 'number';

/** Decimals that give the column's largest number three or four digits; none where all are integers. */
function decimalsOf(cells: readonly TableCell[]): number {
  const numbers = cells.filter(cell => typeof cell === 'number').filter(Number.isFinite);
  if (numbers.every(Number.isInteger)) return 0;
  const largest = Math.max(...numbers.map(Math.abs));
  return largest >= 1000 ? 0 : largest >= 100 ? 1 : largest >= 10 ? 2 : 3;
}

/** One format per column; numbers too small for its decimals get three significant digits instead. */
function formatted(cell: TableCell, decimals: number): Html {
  if (isObject(cell)) return cell.content;
  if (typeof cell !== 'number') return html`${cell ?? '–'}`;
  const tiny = cell !== 0 && Math.abs(cell) < 10 ** -decimals;
  const text = Number.isFinite(cell) && !tiny ? cell.toFixed(decimals) : formatCell(cell, 3);
  return html`${text.replace('-', '−')}`;
}

/** The first column heads the rows and stays in view; numbers are right-aligned. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly TableCell[])[],
  options: TableOptions = {},
): Html {
  const { caption, label, footer = [], groups } = options;
  const numeric = columns.map((_, c) => rows.every(row => isNumeric(row[c])));
  const decimals = columns.map((_, c) => decimalsOf([...rows, ...footer].map(row => row[c])));
  const cells = (row: readonly TableCell[]): Html[] =>
    columns.map((_, c) => {
      const cell = row[c];
      const sort = isObject(cell) ? cell.sort : (cell ?? '');
      const kind = numeric[c] ? 'n' : '';
      return c === 0
        ? html`<th scope="row" class="${kind}" data-v="${sort}">${formatted(cell, decimals[c]!)}</th>`
        : html`<td class="${kind}" data-v="${sort}">${formatted(cell, decimals[c]!)}</td>`;
    });
  const sortable = rows.length > 1;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption ?? label ?? columns.map(c => c.name).join(', ')}">
<table class="${sortable ? 'sortable' : ''}">${caption && html`<caption>${caption}</caption>`}
<thead>${groups && html`<tr class="groups">${groups.map(g => html`<th colspan="${g.span}" scope="colgroup">${g.name}</th>`)}</tr>`}
<tr>${columns.map(
    ({ name, title }, c) =>
      html`<th scope="col" class="${numeric[c] ? 'n' : ''}">${
        sortable
          ? html`<button type="button" title="${title ?? name}">${name}</button>`
          : html`<span title="${title ?? name}">${name}</span>`
      }</th>`,
  )}</tr></thead>
<tbody>${rows.map(row => html`<tr>${cells(row)}</tr>`)}</tbody>
${footer.length > 0 && html`<tfoot>${footer.map(row => html`<tr>${cells(row)}</tr>`)}</tfoot>`}
</table></div>`;
}
