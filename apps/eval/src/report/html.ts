/** `report.html`: one file without requests, made of the run report's parts. */
import { type Html, html, renderPage, type Section, type TableCell, table } from '@spectra/monitor/node';
import { formatDuration } from '@spectra/trainer';
import { COLOURS } from '../figures/figure.ts';
import type { Cell, Column, Table } from '../tables/table.ts';
import { bestRows, cellText, footnotes, isNumber, tableKey } from './format.ts';
import { type Headline, mixedSources, type ReportData, type RunUse } from './report-data.ts';

/** `rows`: where the rows lie, relative to the page. */
export function htmlReport(data: ReportData, rows: string): string {
  const { suite } = data.plan;
  return renderPage({
    title: suite.title,
    subtitle: subtitle(data),
    ...(data.date === undefined ? {} : { date: data.date }),
    colours: COLOURS,
    lead: html`${cards(data.headlines)}${suite.note && html`<section><p>${suite.note}</p></section>`}`,
    sections: [
      ...data.tables.map(found => tableSection(found, data.runs, rows)),
      ...data.figures.map(
        ({ id, title, caption, body, runs }): Section => ({
          id,
          title,
          body: html`<figure>${body}<p class="note">${caption} ${links(runs, data.runs, rows)}</p></figure>`,
        }),
      ),
      runSection(data.runs, rows),
    ],
  });
}

function subtitle({ plan, runs, sources }: ReportData): string {
  const done = runs.filter(({ row }) => row?.status === 'done').length;
  const failed = runs.filter(({ row, reason }) => row?.status === 'failed' || reason !== undefined).length;
  return [
    `Suite ${plan.suite.name}: ${done} of ${runs.length} runs done${failed === 0 ? '' : `, ${failed} failed`}.`,
    ...(sources.length < 2 ? [] : [mixedSources(sources)]),
  ].join(' ');
}

const MARKS = { met: '✓ met', missed: '✗ missed', info: '' } as const;

function cards(headlines: readonly Headline[]): Html | undefined {
  if (headlines.length === 0) return undefined;
  return html`<ul class="cards">${headlines.map(
    ({ name, value, bound, status, note }) =>
      html`<li class="card ${status}"><p class="name">${name}</p><p class="value">${value}</p>
<p class="bound"><span class="status">${MARKS[status]}</span> ${bound}</p><p class="note">${note}</p></li>`,
  )}</ul>`;
}

function tableSection(found: Table, runs: readonly RunUse[], rows: string): Section {
  const best = bestRows(found);
  const columns = [
    { name: found.head },
    ...found.columns.map(({ name, title }) => ({ name, ...(title === undefined ? {} : { title }) })),
    { name: 'runs', title: 'The rows of the runs behind these numbers, by seed' },
  ];
  const cells = found.rows.map((row): TableCell[] => [
    row.uncounted === true ? { content: html`<i>${row.label}</i>`, sort: row.label } : row.label,
    ...found.columns.map((column, c) => tableCell(row.cells[c] ?? null, column, best[c] === row)),
    { content: links(row.runs, runs, rows), sort: row.runs.length },
  ]);
  const notes = footnotes(found);
  return {
    id: tableKey(found),
    title: `${/^[A-E]$/.test(found.id) || found.part !== undefined ? '' : `${found.id} `}${found.title}`,
    body: html`${found.exploratory && html`<p class="note"><b>Exploratory.</b></p>`}${table(columns, cells, { label: found.title })}
${notes.length > 0 && html`<ul class="notes note">${notes.map(note => html`<li>${note}</li>`)}</ul>`}`,
  };
}

function tableCell(cell: Cell, column: Column, best: boolean): TableCell {
  if (cell === null) return null;
  if (!isNumber(cell)) return textCell(cell);
  const { value, deviation, bracket } = cellText(cell, column);
  const shown = best ? html`<b>${value}</b>` : html`${value}`;
  return {
    content: html`${shown}${deviation && html` <small>± ${deviation}</small>`}${bracket && html` <small>(${bracket})</small>`}`,
    sort: cell.value,
  };
}

/** A p with its mark, or an interval, sorts by its number. */
function textCell(text: string): TableCell {
  const [, number] = /^(−?[\d.]+(?:e[-+]\d+)?)(?:$| \*$|, decides| …)/.exec(text) ?? [];
  return number === undefined ? text : { content: html`${text}`, sort: Number(number.replace('−', '-')) };
}

/** `0 1 2`: each seed's row. */
function links(ids: readonly string[], runs: readonly RunUse[], rows: string): Html {
  return html`${ids.map(id => {
    const run = runs.find(found => found.id === id);
    return html`<a href="${rows}/${id}.json" title="${run?.label ?? id}">${run?.row?.seed ?? id}</a> `;
  })}`;
}

function runSection(runs: readonly RunUse[], rows: string): Section {
  const columns = [
    'run',
    'what',
    'status',
    'loss',
    'tokens',
    'tokens/s',
    'training',
    'backend',
    'source',
    'used in',
  ];
  return {
    id: 'runs',
    title: 'Runs',
    body: table(
      columns.map(name => ({ name })),
      runs.map(({ id, label, uses, row, reason }) => [
        row === undefined ? id : { content: html`<a href="${rows}/${id}.json">${id}</a>`, sort: id },
        label,
        statusText(row, reason),
        row?.evaluation?.causal.loss ?? null,
        row?.training?.tokens ?? null,
        row?.training === undefined ? null : Math.round(row.training.tokens_per_second),
        row?.training === undefined
          ? null
          : { content: html`${formatDuration(row.training.seconds)}`, sort: row.training.seconds },
        row?.environment.backend ?? null,
        row?.environment.source ?? null,
        uses.join(', '),
      ]),
      { label: 'Runs' },
    ),
  };
}

function statusText(row: RunUse['row'], reason: RunUse['reason']): string {
  if (row === undefined) return reason === undefined ? 'not there yet' : `failed: ${reason.split(':')[0]}`;
  return row.failure === undefined ? 'done' : `failed: ${row.failure.code}`;
}
