/** Charts as SVG text, made without a browser. */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { evenly, largestTriangles } from './downsample.ts';
import { Html, html } from './html.ts';
import { colourOf, dashOf } from './palette.ts';
import type { Curve, LoadHistory } from './run-report.ts';

const LINE_POINTS = 400;
/** Points of all bands together, so that many experts do not make a huge page; at least 40 a band. */
const AREA_POINTS = 1280;

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What a chart of the full width is drawn at on a wide page and on a phone. */
export const FULL: readonly [Size, Size] = [
  { width: 1040, height: 360 },
  { width: 350, height: 260 },
];
/** The same for two charts side by side. */
export const HALF: readonly [Size, Size] = [
  { width: 510, height: 250 },
  { width: 350, height: 230 },
];

/** A line and how it looks. */
export interface Series {
  readonly curve: Curve;
  /** Index of colour and dash. */
  readonly style: number;
  /** Drawn thin and without points. */
  readonly faint?: boolean;
}

function draw(options: Plot.PlotOptions, size: Size, label: string): Html {
  const { document } = parseHTML('<html><body></body></html>');
  const svg = Plot.plot({
    ...options,
    ...size,
    document: document as unknown as Document,
    className: 'plot',
    ariaLabel: label,
    style: { fontSize: '12px' },
  });
  svg.setAttribute('role', 'img');
  for (const style of svg.querySelectorAll('style')) style.remove();
  // a tenth of a pixel is enough, and a third of the size
  return new Html(svg.outerHTML.replace(/(\.\d)\d+(?=[^"<>]*"[^<>]*>)/g, '$1'));
}

/** A chart by Observable Plot in both sizes; the page's style shows the one that fits. */
export function plotFigure(
  sizes: readonly [Size, Size],
  label: string,
  options: (size: Size) => Plot.PlotOptions,
): Html {
  return html`<div class="wide">${draw(options(sizes[0]), sizes[0], label)}</div
    ><div class="narrow">${draw(options(sizes[1]), sizes[1], label)}</div>`;
}

/** How many ticks fit. */
export const stepTicks = ({ width }: Size): number => Math.floor(width / 90);
export const formatStep = (step: number): string =>
  step >= 10_000 && step % 1000 === 0 ? `${step / 1000}k` : step.toLocaleString('en-US');

/** Lines over steps; points carry their values as titles. */
export function linePlot(series: readonly Series[], unit: string, label: string, zero: boolean): Html {
  const lines = series.map(({ curve, style, faint = false }) => {
    const exist = curve.values.flatMap((value, i) => (value !== null && Number.isFinite(value) ? [i] : []));
    const x = exist.map(i => curve.steps[i]!);
    const y = exist.map(i => curve.values[i]!);
    const points = largestTriangles(x, y, LINE_POINTS).map(i => ({
      step: x[i]!,
      value: y[i]!,
      title: `${curve.name}, step ${x[i]}: ${y[i]!.toPrecision(4)}`,
    }));
    return { points, style, faint };
  });
  return plotFigure(FULL, label, size => ({
    marginLeft: 44,
    marginRight: 14,
    marginBottom: 36,
    x: { label: 'step', ticks: stepTicks(size), tickFormat: formatStep, labelArrow: 'none' },
    y: { label: unit, grid: true, zero, nice: true, labelArrow: 'none', ticks: 6 },
    marks: lines.flatMap(({ points, style, faint }) => [
      Plot.line(points, {
        x: 'step',
        y: 'value',
        stroke: colourOf(style),
        strokeWidth: faint ? 1.25 : 2,
        strokeOpacity: faint ? 0.75 : 1,
        strokeDasharray: faint ? '' : dashOf(style),
      }),
      ...(faint || points.length > 60
        ? []
        : [Plot.dot(points, { x: 'step', y: 'value', r: 3, fill: colourOf(style), title: 'title' })]),
    ]),
  }));
}

/** Shares of the slots by expert, stacked to 1, with the expert's number where its band is high enough at the end. */
export function loadPlot({ layer, steps, loads }: LoadHistory): Html {
  const experts = loads[0]?.length ?? 0;
  const rows = evenly(steps.length, Math.max(40, Math.floor(AREA_POINTS / experts))).flatMap(i => {
    const total = loads[i]!.reduce((a, b) => a + b, 0);
    let below = 0;
    return loads[i]!.map((load, expert) => {
      const share = total > 0 ? load / total : 0;
      below += share;
      return { step: steps[i]!, expert, from: below - share, to: below, share };
    });
  });
  const last = rows.slice(-experts).filter(row => row.share > 0.045);
  const label = `Share of the slots of layer ${layer} by expert over training`;
  return plotFigure(HALF, label, size => ({
    marginLeft: 40,
    marginRight: 24,
    marginBottom: 36,
    x: { label: 'step', ticks: stepTicks(size), tickFormat: formatStep, labelArrow: 'none' },
    y: { label: null, domain: [0, 1], tickFormat: '.0%', ticks: 5 },
    marks: [
      ...Array.from({ length: experts }, (_, expert) =>
        Plot.areaY(
          rows.filter(row => row.expert === expert),
          {
            x: 'step',
            y1: 'from',
            y2: 'to',
            fill: colourOf(expert),
            stroke: 'var(--surface)',
            strokeWidth: experts > 16 ? 0.25 : 0.75,
            title: () => `expert ${expert}`,
          },
        ),
      ),
      Plot.text(last, {
        x: 'step',
        y: row => (row.from + row.to) / 2,
        text: row => String(row.expert),
        textAnchor: 'start',
        dx: 6,
        fill: 'currentColor',
      }),
    ],
  }));
}

/** A key to lines or bands: a drawn sample and a name each, after what they are. */
export function legend(
  entries: readonly { name: string; style: number; kind: 'line' | 'faint' | 'area' }[],
  what?: string,
): Html {
  return html`<ul class="legend">${what && html`<li class="what">${what}</li>`}${entries.map(
    ({ name, style, kind }) => {
      const sample =
        kind === 'area'
          ? html`<rect width="14" height="12" rx="2" fill="${colourOf(style)}"/>`
          : html`<path d="M0 6H26" stroke="${colourOf(style)}" stroke-width="${kind === 'faint' ? 1.5 : 2.5}"
            stroke-dasharray="${kind === 'faint' ? 'none' : dashOf(style) || 'none'}"/>`;
      return html`<li><svg width="${kind === 'area' ? 14 : 26}" height="12" aria-hidden="true">${sample}</svg>${name}</li>`;
    },
  )}</ul>`;
}
