/** The parts of the page, each nothing where the report has no data for it. */
import { formatCell } from '../terminal/format-table.ts';
import { evenly } from './downsample.ts';
import { heatKey, heatMap, percent } from './heat-map.ts';
import { type Html, html } from './html.ts';
import { metricsTables } from './metrics-table.ts';
import type { Section } from './page.ts';
import { legend, linePlot, loadPlot, type Series } from './plots.ts';
import type { Curve, ExpertKeywords, RunReport } from './run-report.ts';
import { type TableCell, table } from './tables.ts';
import { tokenView } from './token-view.ts';

/** Of a deep model the charts of some layers, evenly chosen, keep the page small; the table has all. */
const LOAD_CHARTS = 8;

const STATUS = {
  met: { sign: '✓', text: 'met' },
  missed: { sign: '✗', text: 'missed' },
  info: { sign: '', text: '' },
} as const;

export function summaryCards({ summary = [] }: RunReport): Html | undefined {
  if (summary.length === 0) return undefined;
  // four rows each, so that the parts of neighbouring cards line up
  return html`<ul class="cards">${summary.map(({ name, value, unit, bound, status = 'info', note }) => {
    const { sign, text } = STATUS[status];
    return html`<li class="card ${status}"><p class="name">${name}</p>
<p class="value">${formatHeadline(value)}</p>
<p class="bound">${unit} ${text !== '' && html`<span class="status"><span aria-hidden="true">${sign}</span> ${text}</span>`}${bound}</p>
<p class="note">${note}</p></li>`;
  })}</ul>`;
}

const formatHeadline = (value: number | string | null): string =>
  typeof value === 'number' && Number.isInteger(value)
    ? value.toLocaleString('en-US')
    : formatCell(value, 3).replace('-', '−');

/** Some of the values behind lines, for readers and for those who cannot see the chart. */
function valuesOf(curves: readonly Curve[]): Html {
  const steps = [...new Set(curves.flatMap(c => c.steps))].sort((a, b) => a - b);
  const chosen = evenly(steps.length, 13).map(i => steps[i]!);
  const at = (curve: Curve, step: number) => {
    const i = curve.steps.findLastIndex(s => s <= step);
    return i < 0 ? null : curve.values[i];
  };
  return html`<details><summary>Values as a table</summary>${table(
    [{ name: 'step' }, ...curves.map(({ name }) => ({ name }))],
    chosen.map(step => [step, ...curves.map(curve => at(curve, step))]),
    { caption: `Latest values at ${chosen.length} of ${steps.length} steps` },
  )}</details>`;
}

function lineFigure(series: readonly Series[], unit: string, label: string, zero: boolean): Html {
  const entries = series.map(({ curve, style, faint }) => ({
    name: curve.name,
    style,
    kind: faint === true ? ('faint' as const) : ('line' as const),
  }));
  return html`<figure>${legend(entries)}${linePlot(series, unit, label, zero)}</figure>${valuesOf(series.map(s => s.curve))}`;
}

function lossSection({ loss }: RunReport): Html | undefined {
  if (loss === undefined || loss.train.length + loss.held.length === 0) return undefined;
  const unit = loss.unit ?? 'nats per token';
  // training is the grey of the palette, so that the held-out lines have the clear colours
  const train = loss.train.map((curve, i) => ({ curve, style: 7 + 8 * i, faint: true }));
  const held = loss.held.map((curve, i) => ({ curve, style: i + Math.floor(i / 7) }));
  return lineFigure([...train, ...held], unit, 'Loss over training', false);
}

function metricsSection({ rules = [] }: RunReport): Html | undefined {
  if (rules.length === 0) return undefined;
  return html`${rules.map(({ name, note }) => note && html`<p class="note"><b>${name}</b>: ${note}</p>`)}${metricsTables(rules)}
<p class="note">Headings explain themselves when pointed at, and sort. A dash is a value that does not exist.</p>`;
}

function loadSection({ load = [] }: RunReport): Html | undefined {
  if (load.length === 0) return undefined;
  const experts = Math.max(...load.map(l => l.loads[0]?.length ?? 0));
  const names = Array.from({ length: experts }, (_, e) => ({
    name: `${e}`,
    style: e,
    kind: 'area' as const,
  }));
  return html`<p class="note">Share of each layer’s slots by expert; bands of equal height are balance.</p>${legend(names, 'expert')}
<div class="pairs">${evenly(load.length, LOAD_CHARTS).map(i => html`<figure><figcaption>Layer ${load[i]!.layer}</figcaption>${loadPlot(load[i]!)}</figure>`)}</div>
<details><summary>Last shares as a table</summary>${table(
    [{ name: 'layer' }, ...names.map(({ name }) => ({ name: `expert ${name}` }))],
    load.map(({ layer, loads }) => {
      const last = loads.at(-1) ?? [];
      const total = last.reduce((a, b) => a + b, 0);
      return [layer, ...last.map(n => percent(total > 0 ? n / total : null))];
    }),
  )}</details>`;
}

function entropySection({ entropy = [] }: RunReport): Html | undefined {
  if (entropy.length === 0) return undefined;
  const series = entropy.map((curve, style) => ({ curve, style }));
  return html`<p class="note">1 is an undecided router, 0 one that is sure of every token.</p>${lineFigure(
    series,
    'H(P) / log E',
    'Routing entropy over training',
    true,
  )}`;
}

function affinitySection({ rules = [] }: RunReport): Html | undefined {
  const rule = rules.findLast(({ report }) => report.layers.some(layer => layer.domains !== null));
  if (rule === undefined) return undefined;
  return html`<p class="note">P(expert | domain) / P(expert) under the ${rule.name}: above 1 the expert prefers the domain.</p>
${heatKey()}<div class="pairs">${rule.report.layers.map(heatMap)}</div>`;
}

function keywordSection({ keywords = [] }: RunReport): Html | undefined {
  if (keywords.length === 0) return undefined;
  const columns: { name: string; title?: string; of: (k: ExpertKeywords) => TableCell }[] = [
    { name: 'expert', of: k => k.expert },
    { name: 'layer', of: k => k.layer },
    {
      name: 'keywords',
      title: 'Highest TF-IDF, an expert as a document',
      of: ({ words }) => ({
        content: html`<span class="words">${words.map(word => html`<span>${word}</span> `)}</span>`,
        sort: words.join(' '),
      }),
    },
    { name: 'top domain', of: k => k.topDomain },
    { name: 'purity', title: 'Share of the top domain', of: k => percent(k.purity) },
    { name: 'usage', title: 'Share of the layer’s slots', of: k => percent(k.usage) },
    { name: 'loss', title: 'Mean loss of its tokens', of: k => k.loss },
  ];
  const present = columns.filter(({ of }) => keywords.some(k => of(k) != null));
  return table(
    present,
    keywords.map(k => present.map(({ of }) => of(k))),
  );
}

function configSection({ config, environment = {}, versions = {} }: RunReport): Html | undefined {
  const facts = [
    { name: 'Environment', values: environment },
    { name: 'Versions', values: versions },
  ].filter(({ values }) => Object.keys(values).length > 0);
  if (config === undefined && facts.length === 0) return undefined;
  return html`<div class="pairs">${facts.map(
    ({ name, values }) =>
      html`<div><h3>${name}</h3><dl>${Object.entries(values).map(
        ([key, value]) => html`<div><dt>${key}</dt><dd>${String(value)}</dd></div>`,
      )}</dl></div>`,
  )}</div>${
    config !== undefined &&
    html`<details><summary>Resolved configuration</summary><pre>${JSON.stringify(config, null, 2)}</pre></details>`
  }`;
}

/** All sections that have something to show, in the order of the page. */
export function sections(report: RunReport): Section[] {
  const { tables = [], samples = [], notes = [] } = report;
  const list: [string, string, Html | undefined][] = [
    ['loss', 'Loss', lossSection(report)],
    ['metrics', 'Routing metrics by layer', metricsSection(report)],
    ['load', 'Load over training', loadSection(report)],
    ['entropy', 'Routing entropy over training', entropySection(report)],
    ['domains', 'Experts by domain', affinitySection(report)],
    ['keywords', 'What each expert reads', keywordSection(report)],
    ['samples', 'Continuations', samples.length > 0 ? html`${samples.map(tokenView)}` : undefined],
    ...tables.map(({ title, note, columns, rows }, i): [string, string, Html] => [
      `table-${i + 1}`,
      title,
      html`${note && html`<p class="note">${note}</p>`}${table(
        columns.map(name => ({ name })),
        rows,
      )}`,
    ]),
    [
      'notes',
      'Read this with care',
      notes.length > 0 ? html`<ul class="notes">${notes.map(n => html`<li>${n}</li>`)}</ul>` : undefined,
    ],
    ['run', 'The run', configSection(report)],
  ];
  return list.flatMap(([id, title, body]) => (body === undefined ? [] : [{ id, title, body }]));
}
