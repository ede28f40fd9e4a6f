/** A routing report as a table: a row per layer, the overall values below. */
import type { LayerReport, OverallReport, RoutingReport } from '../layer-report.ts';
import { type Html, html } from './html.ts';
import { table } from './tables.ts';

interface Metric {
  readonly group: string;
  readonly name: string;
  readonly title: string;
  readonly of: (layer: LayerReport) => number | null;
  /** None where an overall value says nothing. */
  readonly overall?: (overall: OverallReport) => number | null;
}

const LOAD = 'Load';
const DISTINCT = 'Distinctness';
const ROUTES = 'Routes';
const DOMAINS = 'Domains';

const METRICS: readonly Metric[] = [
  {
    group: LOAD,
    name: 'CV',
    title: 'Coefficient of variation of the load; overall: largest',
    of: l => l.load.cv,
    overall: o => o.cv,
  },
  {
    group: LOAD,
    name: 'floor',
    title: 'Sampling floor √((E/k − 1)/N) of the CV on as many tokens',
    of: l => l.samplingFloor,
  },
  {
    group: LOAD,
    name: 'MaxVio',
    title: 'Largest load over the mean, minus 1; overall: largest',
    of: l => l.load.maxViolation,
    overall: o => o.maxViolation,
  },
  {
    group: LOAD,
    name: 'MinVio',
    title: '1 minus the smallest load over the mean',
    of: l => l.load.minViolation,
  },
  { group: LOAD, name: 'Gini', title: 'Gini coefficient of the load', of: l => l.load.gini },
  {
    group: LOAD,
    name: 'entropy',
    title: 'Load entropy over log E; overall: mean',
    of: l => l.load.entropy,
    overall: o => o.loadEntropy,
  },
  {
    group: LOAD,
    name: 'unused',
    title: 'Share of experts without tokens; overall: largest',
    of: l => l.load.unusedRate,
    overall: o => o.unusedRate,
  },
  {
    group: LOAD,
    name: 'dropped',
    title: 'Share of slots dropped; overall: largest',
    of: l => l.load.droppedRate,
    overall: o => o.droppedRate,
  },
  {
    group: DISTINCT,
    name: 'Gram',
    title: 'Gram orthogonality of the expert vectors; overall: smallest',
    of: l => l.gram?.orthogonality ?? null,
    overall: o => o.gramOrthogonality,
  },
  {
    group: DISTINCT,
    name: 'ceiling',
    title: 'The most that Gram orthogonality can be with this many experts and dimensions',
    of: l => l.gram?.ceiling ?? null,
  },
  {
    group: DISTINCT,
    name: 'Gram ref.',
    title: "The reference material's form, 1 − ‖G−I‖/(E√2): not 0 for identical experts",
    of: l => l.gram?.reference ?? null,
  },
  {
    group: DISTINCT,
    name: 'centroid',
    title:
      'Orthogonality of the centred mean hidden states of the tokens each expert serves; overall: smallest',
    of: l => l.centroidOrthogonality,
    overall: o => o.centroidOrthogonality,
  },
  {
    group: DISTINCT,
    name: 'overlap',
    title: 'Mean pairwise Jaccard of the token types experts serve; overall: mean',
    of: l => l.expertOverlap,
    overall: o => o.expertOverlap,
  },
  {
    group: DISTINCT,
    name: 'diversity',
    title: '1 − mean NMI of the experts’ membership indicators; overall: mean',
    of: l => l.diversity,
    overall: o => o.diversity,
  },
  {
    group: DISTINCT,
    name: 'silhouette',
    title: 'Silhouette of tokens by first expert; overall: mean',
    of: l => l.silhouette,
    overall: o => o.silhouette,
  },
  {
    group: ROUTES,
    name: 'entropy',
    title: 'Routing entropy over log E; overall: mean',
    of: l => l.routingEntropy,
    overall: o => o.routingEntropy,
  },
  {
    group: ROUTES,
    name: 'confid.',
    title: 'Confidence, mean sum of squared gates; overall: mean',
    of: l => l.confidence,
    overall: o => o.confidence,
  },
  {
    group: ROUTES,
    name: 'seq.',
    title: 'Experts that neighbouring tokens share; overall: mean',
    of: l => l.sequentialOverlap,
    overall: o => o.sequentialOverlap,
  },
  {
    group: DOMAINS,
    name: 'MI',
    title: 'Mutual information of expert and domain in nats; overall: mean',
    of: l => l.domains?.mutualInformation ?? null,
    overall: o => o.mutualInformation,
  },
  {
    group: DOMAINS,
    name: 'NMI',
    title: 'Normalised mutual information of expert and domain; overall: mean',
    of: l => l.domains?.nmi ?? null,
    overall: o => o.nmi,
  },
];

/** Three decimals; what rounds to zero has no sign. */
function decimals(value: number): Html {
  const text = value.toFixed(3);
  return html`${Number(text) === 0 ? '0.000' : text.replace('-', '−')}`;
}

const rounded = (value: number | null | undefined) =>
  value === null || value === undefined ? null : { content: decimals(value), sort: value };

export function metricsTable(report: RoutingReport, caption: string, note?: string): Html {
  const metrics = METRICS.filter(metric => report.layers.some(layer => metric.of(layer) !== null));
  const groups = [{ name: '', span: 1 }];
  for (const { group } of metrics) {
    const last = groups.at(-1)!;
    if (last.name === group) last.span++;
    else groups.push({ name: group, span: 1 });
  }
  return table(
    [{ name: 'layer' }, ...metrics],
    report.layers.map(layer => [layer.layer, ...metrics.map(metric => rounded(metric.of(layer)))]),
    {
      caption,
      groups,
      ...(note === undefined ? {} : { note }),
      footer: [['overall', ...metrics.map(metric => rounded(metric.overall?.(report.overall)))]],
    },
  );
}
