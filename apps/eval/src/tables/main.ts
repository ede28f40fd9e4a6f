/** T1 in three parts: what arms reach, what they cost, and their layers one by one. */
import { armTable, asColumn } from './by-arm.ts';
import * as metric from './metrics.ts';
import { type ArmResult, allArms, meanCell, missingOf, rowOf, type TableResults } from './results.ts';
import type { Cell, Row, Table } from './table.ts';

type Layer = NonNullable<
  NonNullable<NonNullable<ArmResult['rows'][number]['evaluation']>['causal']['routing']>
>['layers'][number];

const LAYER_VALUES: readonly (readonly [name: string, title: string, of: (layer: Layer) => number | null])[] =
  [
    ['MaxVio', 'Largest load over the mean, minus 1', layer => layer.load.maxViolation],
    ['load entropy', 'Over log E', layer => layer.load.entropy],
    ['unused', 'Share of experts without a token', layer => layer.load.unusedRate],
    ['Gram', 'Gram orthogonality of the expert vectors', layer => layer.gram?.orthogonality ?? null],
    [
      'centroid',
      'Orthogonality of the mean hidden states experts serve',
      layer => layer.centroidOrthogonality,
    ],
    ['overlap', 'Mean pairwise Jaccard of token types', layer => layer.expertOverlap],
    ['routing entropy', 'H(P)/log E', layer => layer.routingEntropy],
    ['NMI', 'Of expert and domain', layer => layer.domains?.nmi ?? null],
  ];

export function mainTables(results: TableResults): Table[] {
  return [reachedTable(results), costTable(results), layerTable(results)];
}

function reachedTable(results: TableResults): Table {
  const arms = allArms(results);
  const domains = [
    ...new Set(arms.flatMap(({ rows }) => rows.flatMap(row => Object.keys(row.evaluation!.causal.domains)))),
  ];
  const metrics = [
    ...domains.map(metric.domainPerplexity),
    metric.CV,
    metric.CV_FLOOR,
    metric.TRAINING_CV,
    metric.MAX_VIO,
    metric.GRAM,
    metric.CENTROID,
    metric.OVERLAP,
    metric.NMI,
    metric.SEQUENTIAL,
    metric.AGREEMENT,
  ];
  const notes = [
    'Mean ± standard deviation over seeds. Every number is of held-out text under the causal rule unless its column says otherwise; domains are perplexities.',
    ...(new Set(arms.map(({ rows, failures, missing }) => rows.length + failures.length + missing)).size > 1
      ? ['Arms have different numbers of seeds; T13 compares two on those that both have.']
      : []),
    ...(arms.some(({ causal }) => !causal)
      ? [
          'In brackets: the loss under a training rule that reads later tokens. It is no fair score and counts nowhere.',
        ]
      : []),
    ...(arms.some(({ counted }) => !counted)
      ? ['Rows in italics are shown for orientation and do not count as baselines.']
      : []),
  ];
  return armTable(
    results,
    'router',
    [{ column: metric.LOSS.column, cell: lossCell }, ...metrics.map(asColumn)],
    notes,
  );
}

/** With the score that reads later tokens in brackets. */
function lossCell(arm: ArmResult): Cell {
  return meanCell(arm, metric.LOSS.pick, arm.causal ? undefined : metric.TRAINING_LOSS);
}

function costTable(results: TableResults): Table {
  const columns = [
    metric.PARAMETERS,
    metric.ACTIVE_PARAMETERS,
    metric.ROUTER_PARAMETERS,
    metric.FLOPS,
    metric.SPEED,
    metric.LOSS,
  ].map(asColumn);
  const notes = [
    'Parameters and operations by formula; speed is what was measured while other runs went on, the median over seeds.',
  ];
  return { ...armTable(results, 'router', columns, notes), part: 'cost', title: 'What the arms of T1 cost' };
}

function layerTable(results: TableResults): Table {
  const arms = allArms(results).filter(({ rows }) =>
    rows.some(row => row.evaluation!.causal.routing !== null),
  );
  const layersOf = (arm: ArmResult): number => arm.rows[0]!.evaluation!.causal.routing?.layers.length ?? 0;
  const of = (
    arm: ArmResult,
    rule: 'causal' | 'training',
    index: number,
    value: (layer: Layer) => number | null,
  ) =>
    meanCell(arm, row => {
      const layer = row.evaluation![rule].routing?.layers[index];
      return layer === undefined ? null : value(layer);
    });
  return {
    id: 'T1',
    part: 'layers',
    title: 'The arms of T1 layer by layer',
    head: 'router, layer',
    columns: [
      { name: 'CV', title: 'Of the load under the causal rule' },
      { name: 'CV, training rule', title: 'The same under the rule that trained' },
      { name: 'Gram, reference form', title: '1 − ‖G−I‖/(E√2): not 0 for identical experts' },
      ...LAYER_VALUES.map(([name, title]) => ({ name, title })),
    ],
    rows: arms.flatMap(arm =>
      Array.from({ length: layersOf(arm) }, (_, index): Row => {
        const cv = (layer: Layer): number => layer.load.cv;
        return {
          label: `${arm.label}, ${index}`,
          cells: [
            of(arm, 'causal', index, cv),
            of(arm, 'training', index, cv),
            of(arm, 'causal', index, layer => layer.gram?.reference ?? null),
            ...LAYER_VALUES.map(([, , value]) => of(arm, 'causal', index, value)),
          ],
          ...rowOf(arm),
          failures: [],
          ...(arm.counted ? {} : { uncounted: true }),
        };
      }),
    ),
    notes: ['Causal rule unless the column says otherwise; mean ± standard deviation over seeds.'],
    exploratory: results.table.exploratory,
    missing: missingOf(allArms(results)),
  };
}
