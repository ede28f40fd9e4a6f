/** Values over training: means over seeds with bands of one standard deviation. */

import * as Plot from '@observablehq/plot';
import {
  colourOf,
  dashOf,
  FULL,
  formatStep,
  type Html,
  html,
  legend,
  plotFigure,
  stepTicks,
} from '@spectra/monitor/node';
import type { RunRow } from '../runs/row.ts';
import { mean, standardDeviation } from '../statistics/paired-t.ts';
import type { ArmResult } from '../tables/results.ts';
import type { Figure } from './figure.ts';

interface Point {
  readonly step: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** What of a run is drawn: its steps and values, null where there is none. */
type Series = (row: RunRow) => {
  readonly step: readonly number[];
  readonly values: readonly (number | null)[];
};

interface Line {
  readonly name: string;
  readonly points: readonly Point[];
}

const curve =
  (name: string): Series =>
  ({ training }) => ({ step: training!.curves.step, values: training!.curves[name] ?? [] });

/** Of the training loss, of the routing entropy on the probe, and of the gradients by role. */
export function curveFigures(arms: readonly ArmResult[]): Figure[] {
  const trained = arms.filter(({ rows }) => rows.length > 0);
  const runs = trained.flatMap(({ rows }) => rows.map(({ id }) => id));
  const lines = (series: Series, suffix = ''): Line[] =>
    trained
      .map(({ label, rows }) => ({ name: label + suffix, points: band(rows, series) }))
      .filter(({ points }) => points.length > 0);
  const entropy: Series = ({ milestones = [] }) => ({
    step: milestones.map(({ step }) => step),
    values: milestones.map(({ routing_entropy: value }) => value),
  });
  const figures: [id: string, title: string, unit: string, lines: Line[]][] = [
    ['loss-curves', 'Training loss', 'nats per token', lines(curve('loss'))],
    ['routing-entropy', 'Routing entropy over training', 'H(P) / log E', lines(entropy)],
    [
      'gradient-norms',
      'Gradient norms of router and experts',
      'norm before clipping',
      [...lines(curve('grad_norm_router'), ', router'), ...lines(curve('grad_norm_expert'), ', experts')],
    ],
  ];
  return figures
    .filter(([, , , drawn]) => drawn.length > 0)
    .map(([id, title, unit, drawn]) => ({
      id,
      title,
      caption: 'Mean over seeds; bands are one standard deviation, cut at 0.',
      body: bandPlot(drawn, unit, title),
      runs,
    }));
}

/** Seeds have the same steps, since they have the same budget. */
function band(rows: readonly RunRow[], series: Series): Point[] {
  const all = rows.map(series);
  return (all[0]?.step ?? []).flatMap((step, i) => {
    const values = all.flatMap(({ values: own }) => own[i] ?? []);
    if (values.length === 0) return [];
    const [centre, deviation] = [mean(values), standardDeviation(values)];
    // nothing that is drawn can be negative
    return [{ step, value: centre, low: Math.max(0, centre - deviation), high: centre + deviation }];
  });
}

function bandPlot(lines: readonly Line[], unit: string, label: string): Html {
  const key = legend(lines.map(({ name }, style) => ({ name, style, kind: 'line' as const })));
  const plot = plotFigure(FULL, label, size => ({
    marginLeft: 48,
    marginRight: 14,
    marginBottom: 36,
    x: { label: 'step', ticks: stepTicks(size), tickFormat: formatStep, labelArrow: 'none' },
    y: { label: unit, grid: true, nice: true, labelArrow: 'none', ticks: 6 },
    marks: lines.flatMap(({ points }, style) => [
      Plot.areaY([...points], {
        x: 'step',
        y1: 'low',
        y2: 'high',
        fill: colourOf(style),
        fillOpacity: 0.18,
      }),
      Plot.line([...points], {
        x: 'step',
        y: 'value',
        stroke: colourOf(style),
        strokeWidth: 2,
        strokeDasharray: dashOf(style),
      }),
    ]),
  }));
  return html`${key}${plot}`;
}
