/** `report.md`: the tables with links to rows, the figures as files beside it. */
import { svgFiles } from '../figures/figure.ts';
import type { Table } from '../tables/table.ts';
import { bestRows, cellText, footnotes } from './format.ts';
import { mixedSources, type ReportData, type RunUse } from './report-data.ts';

/** `rows` and `figures`: where rows and figures lie, relative to the file. */
export function markdownReport(data: ReportData, rows: string, figures: string): string {
  const { suite } = data.plan;
  const parts = [
    `# ${suite.title}`,
    ...(suite.note === undefined ? [] : [suite.note]),
    ...(data.sources.length < 2 ? [] : [mixedSources(data.sources)]),
    data.headlines
      .map(({ name, value, bound, status, note }) => {
        const mark = status === 'info' ? '' : `, ${status}`;
        return `- ${name}: ${value}${bound === '' ? '' : ` (${bound}${mark})`}; ${note}`;
      })
      .join('\n'),
    ...data.tables.flatMap(table => [
      `## ${table.part === undefined ? `${table.id} ` : ''}${table.title}${table.exploratory ? ' (exploratory)' : ''}`,
      markdownTable(table, data.runs, rows),
      footnotes(table)
        .map(note => `- ${note}`)
        .join('\n'),
    ]),
    ...data.figures.flatMap(figure => [
      `## ${figure.title}`,
      ...(svgFiles(figure).length === 0
        ? ['See [report.html](report.html).']
        : svgFiles(figure).map(({ name }) => `![${figure.title}](${figures}/${name})`)),
      figure.caption,
    ]),
  ];
  return `${parts.filter(part => part !== '').join('\n\n')}\n`;
}

function markdownTable(table: Table, runs: readonly RunUse[], rows: string): string {
  const best = bestRows(table);
  const header = [table.head, ...table.columns.map(({ name }) => name), 'runs'];
  const body = table.rows.map(row => [
    row.uncounted === true ? `*${escaped(row.label)}*` : escaped(row.label),
    ...table.columns.map((column, c) => {
      const { value, deviation, bracket } = cellText(row.cells[c] ?? null, column);
      const shown = best[c] === row ? `**${value}**` : escaped(value);
      return `${shown}${deviation === undefined ? '' : ` ± ${deviation}`}${bracket === undefined ? '' : ` (${bracket})`}`;
    }),
    row.runs.map(id => `[${runs.find(run => run.id === id)?.row?.seed ?? id}](${rows}/${id}.json)`).join(' '),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(header.map(escaped)), line(header.map(() => '---')), ...body.map(line)].join('\n');
}

const escaped = (text: string): string =>
  text.replaceAll('|', '\\|').replaceAll('*', '\\*').replaceAll('\n', ' ');
