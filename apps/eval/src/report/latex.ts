/** `tables.tex`: every table as a booktabs float, to be \input. */
import type { Table } from '../tables/table.ts';
import { bestRows, cellText, footnotes, tableKey } from './format.ts';

export function latexTables(tables: readonly Table[]): string {
  return `% Made by spectra-eval. Needs \\usepackage{booktabs}.\n\n${tables.map(latexTable).join('\n\n')}\n`;
}

function latexTable(table: Table): string {
  const best = bestRows(table);
  const rows = table.rows.map(row =>
    [
      row.uncounted === true ? `\\emph{${latexText(row.label)}}` : latexText(row.label),
      ...table.columns.map((column, c) => {
        const { value, deviation, bracket } = cellText(row.cells[c] ?? null, column);
        const shown = best[c] === row ? `\\textbf{${latexText(value)}}` : latexText(value);
        const spread = deviation === undefined ? '' : `\\,{\\scriptsize$\\pm$\\,${latexText(deviation)}}`;
        return `${shown}${spread}${bracket === undefined ? '' : ` (${latexText(bracket)})`}`;
      }),
    ].join(' & '),
  );
  const caption = [`${table.title}${table.exploratory ? ' (exploratory)' : ''}.`, ...footnotes(table)];
  return [
    '\\begin{table}',
    '\\centering\\small',
    `\\caption{${caption.map(latexText).join(' ')}}`,
    `\\label{tab:${tableKey(table)}}`,
    `\\begin{tabular}{l${'r'.repeat(table.columns.length)}}`,
    '\\toprule',
    `${[table.head, ...table.columns.map(({ name }) => name)].map(latexText).join(' & ')} \\\\`,
    '\\midrule',
    ...rows.map(row => `${row} \\\\`),
    '\\bottomrule',
    '\\end{tabular}',
    '\\end{table}',
  ].join('\n');
}

const SPECIAL: Readonly<Record<string, string>> = {
  '\\': '\\textbackslash{}',
  '&': '\\&',
  '%': '\\%',
  $: '\\$',
  '#': '\\#',
  _: '\\_',
  '{': '\\{',
  '}': '\\}',
  '~': '\\textasciitilde{}',
  '^': '\\textasciicircum{}',
  '−': '$-$',
  '±': '$\\pm$',
  '·': '$\\cdot$',
  '→': '$\\to$',
  '…': '\\dots{}',
  '√': '$\\sqrt{}$',
  '‖': '$\\|$',
  '≤': '$\\le$',
  '×': '$\\times$',
  Σ: '$\\Sigma$',
  Δ: '$\\Delta$',
  α: '$\\alpha$',
  β: '$\\beta$',
  γ: '$\\gamma$',
  ε: '$\\varepsilon$',
  λ: '$\\lambda$',
  σ: '$\\sigma$',
  τ: '$\\tau$',
  η: '$\\eta$',
  '–': '--',
  '<': '$<$',
  '>': '$>$',
  '|': '$|$',
  '’': "'",
};

/** Keywords may hold any character; what LaTeX has no glyph for without further packages is named by its code point. */
export const latexText = (text: string): string =>
  [...text].map(c => SPECIAL[c] ?? (c.codePointAt(0)! > 0xff ? codePoint(c) : c)).join('');

const codePoint = (c: string): string => `U+${c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
