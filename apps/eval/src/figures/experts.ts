/** Where experts are used: over training, over the positions of a row, and in the space of their vectors. */

import * as Plot from '@observablehq/plot';
import { colourOf, FULL, html, loadPlot, plotFigure } from '@spectra/monitor/node';
import { Rng } from '@spectra/tensor';
import { UMAP } from 'umap-js';
import type { RunRow } from '../runs/row.ts';
import type { ArmResult } from '../tables/results.ts';
import type { Figure } from './figure.ts';

/** Stacked shares of the last layer's slots at the checkpoints, of the first seed of each arm. */
export function usageFigure(arms: readonly ArmResult[]): Figure | undefined {
  const shown = arms.flatMap(({ label, rows: [row] }) =>
    row?.milestones === undefined || row.milestones.length === 0 ? [] : [{ label, row }],
  );
  if (shown.length === 0) return undefined;
  const charts = shown.map(({ label, row }) => {
    const layer = row.milestones![0]!.usage.length - 1;
    const chart = loadPlot({
      layer,
      steps: row.milestones!.map(({ step }) => step),
      loads: row.milestones!.map(({ usage }) => usage[layer]!),
    });
    return html`<figure><figcaption>${label}</figcaption>${chart}</figure>`;
  });
  return {
    id: 'expert-usage',
    title: 'Expert usage over training',
    caption:
      'Share of the probe’s slots by expert, last layer, first seed; bands of equal height are balance.',
    body: html`<div class="pairs">${charts}</div>`,
    runs: shown.map(({ row }) => row.id),
  };
}

/** Experts against positions in a row. */
export function positionFigure({ label, rows: [row] }: ArmResult): Figure | undefined {
  const positions = row?.positions;
  if (row === undefined || positions === undefined) return undefined;
  const experts = positions[0]!.length;
  const { length } = row.config.data;
  const cells = positions.flatMap((shares, bin) =>
    shares.map((share, expert) => ({
      position: Math.floor((bin * length) / positions.length),
      expert,
      share,
      title: `position ${Math.floor((bin * length) / positions.length)}, expert ${expert}: ${(100 * share).toFixed(1)} %`,
    })),
  );
  const most = Math.max(...cells.map(({ share }) => share));
  const title = `Experts over positions, ${label}`;
  const body = plotFigure(FULL, title, size => ({
    marginLeft: 44,
    marginBottom: 40,
    padding: 0,
    x: {
      label: 'position in the row',
      labelArrow: 'none',
      tickFormat: position =>
        (position / length) % (size.width < 400 ? 0.25 : 0.125) === 0 ? String(position) : '',
    },
    y: { label: 'expert', labelArrow: 'none' },
    color: { type: 'linear', domain: [0, most], range: ['var(--surface)', 'var(--more)'] },
    marks: [
      Plot.cell(cells, {
        x: 'position',
        y: 'expert',
        fill: 'var(--more)',
        fillOpacity: ({ share }: { share: number }) => share / most,
        title: 'title',
      }),
    ],
    opacity: { type: 'identity' },
  }));
  return {
    id: 'experts-over-positions',
    title,
    caption: `Share of the slots by position, last layer, first seed: from none to ${(100 * most).toFixed(0)} %; ${experts} equal rows of ${(100 / experts).toFixed(1)} % would be balance everywhere.`,
    body,
    runs: [row.id],
  };
}

interface MapPoint {
  readonly x: number;
  readonly y: number;
  readonly layer: number;
  readonly expert: number;
}

/** All layers' expert vectors in two dimensions, by cosine distance. */
export function vectorFigure({ label, rows: [row] }: ArmResult): Figure | undefined {
  const points = row === undefined ? [] : vectorMap(row);
  if (points.length === 0) return undefined;
  const title = `Expert vectors in two dimensions, ${label}`;
  const body = plotFigure(FULL, title, () => ({
    marginLeft: 14,
    marginRight: 14,
    marginTop: 14,
    marginBottom: 14,
    x: { axis: null },
    y: { axis: null },
    marks: [
      Plot.dot(points, {
        x: 'x',
        y: 'y',
        r: 9,
        fill: (point: MapPoint) => colourOf(point.layer),
        fillOpacity: 0.35,
        stroke: (point: MapPoint) => colourOf(point.layer),
        title: (point: MapPoint) => `layer ${point.layer}, expert ${point.expert}`,
      }),
      Plot.text(points, {
        x: 'x',
        y: 'y',
        text: (point: MapPoint) => `${point.layer}.${point.expert}`,
        fill: 'currentColor',
        fontSize: 10,
      }),
    ],
  }));
  return {
    id: 'expert-vectors',
    title,
    caption:
      'UMAP by cosine distance, first seed; numbers are layer.expert, colours layers. Distances within a layer can be read, axes cannot.',
    body,
    runs: [row!.id],
  };
}

const NEIGHBOURS = 8;

/** Empty where the router has no vectors, or too few to lay out. */
function vectorMap(row: RunRow): MapPoint[] {
  const vectors = (row.vectors ?? []).flatMap((layer, l) =>
    layer.map((vector, expert) => ({ vector: [...vector], layer: l, expert })),
  );
  if (vectors.length < 4) return [];
  const rng = new Rng(row.seed).split('umap');
  const umap = new UMAP({
    nComponents: 2,
    nNeighbors: Math.min(NEIGHBOURS, vectors.length - 1),
    minDist: 0.3,
    random: () => rng.uniform(),
    distanceFn: (a, b) => 1 - a.reduce((sum, value, i) => sum + value * b[i]!, 0),
  });
  return umap
    .fit(vectors.map(({ vector }) => vector))
    .map(([x, y], i) => ({ x: x!, y: y!, layer: vectors[i]!.layer, expert: vectors[i]!.expert }));
}
