/** Routing reports as tables: a row per layer and rule, the overall values below. */
import type { LayerReport, OverallReport } from '../layer-report.ts';
import { type Html, html } from './html.ts';
import type { RuleMetrics } from './run-report.ts';
import { type TableCell, table } from './tables.ts';

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
    name: 'confidence',
    title: 'Confidence, mean sum of squared gates; overall: mean',
    of: l => l.confidence,
    overall: o => o.confidence,
  },
  {
    group: ROUTES,
    name: 'sequential',
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
function rounded(value: number | null | undefined): TableCell {
  if (value === null || value === undefined) return null;
  const text = value.toFixed(3);
  return { content: html`${Number(text) === 0 ? '0.000' : text.replace('-', '−')}`, sort: value };
}

/** Two tables keep the columns on one page; rules of one layer stand below each other, to be compared. */
const TABLES: readonly (readonly string[])[] = [
  [LOAD, ROUTES],
  [DISTINCT, DOMAINS],
];

export function metricsTables(rules: readonly RuleMetrics[]): Html {
  const layers = [...new Set(rules.flatMap(rule => rule.report.layers.map(l => l.layer)))].sort(
    (a, b) => a - b,
  );
  const named = rules.length > 1;
  const row = (name: number | string, rule: RuleMetrics, cells: readonly TableCell[]): TableCell[] => [
    name,
    ...(named ? [rule.name] : []),
    ...cells,
  ];
  const exists = (metric: Metric): boolean =>
    rules.some(({ report }) => report.layers.some(layer => metric.of(layer) !== null));

  return html`${TABLES.map(tableGroups => {
    const metrics = METRICS.filter(metric => tableGroups.includes(metric.group) && exists(metric));
    if (metrics.length === 0) return null;
    const groups = tableGroups
      .map(name => ({ name, span: metrics.filter(metric => metric.group === name).length }))
      .filter(({ span }) => span > 0);
    return table(
      [{ name: 'layer' }, ...(named ? [{ name: 'rule' }] : []), ...metrics],
      layers.flatMap(layer =>
        rules.flatMap(rule => {
          const found = rule.report.layers.find(l => l.layer === layer);
          return found === undefined
            ? []
            : [
                row(
                  layer,
                  rule,
                  metrics.map(metric => rounded(metric.of(found))),
                ),
              ];
        }),
      ),
      {
        label: groups.map(({ name }) => name).join(', '),
        groups: [{ name: '', span: named ? 2 : 1 }, ...groups],
        footer: rules.map(rule =>
          row(
            'overall',
            rule,
            metrics.map(metric => rounded(metric.overall?.(rule.report.overall))),
          ),
        ),
      },
    );
  })}`;
}
