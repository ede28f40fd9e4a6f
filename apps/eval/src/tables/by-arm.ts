/** Tables with a row per arm or point and a column per metric: T7, the sweeps, B.4 and B.5. */

import { type Comparison, compareTogether } from '../statistics/compare.ts';
import type { TableId } from '../suite/schema.ts';
import * as metric from './metrics.ts';
import {
  type ArmResult,
  allArms,
  bySeed,
  meanCell,
  medianCell,
  missingOf,
  rowOf,
  type TableResults,
} from './results.ts';
import { intervalText, pText } from './significance.ts';
import { type Cell, type Column, type Row, type Table, TITLES } from './table.ts';

type Metric = metric.TableMetric;

const METRICS: Partial<Record<TableId, readonly Metric[]>> = {
  T7: [
    metric.LOAD_ENTROPY,
    metric.OVERLAP,
    metric.GRAM,
    metric.CENTROID,
    metric.UNUSED,
    metric.CV,
    metric.TRAINING_CV,
    metric.LOSS,
  ],
  'B.4': [metric.PERPLEXITY, metric.PARAMETERS, metric.ROUTER_PARAMETERS, metric.FLOPS],
  'B.5': [metric.PERPLEXITY, metric.LOSS],
  A: [metric.CV, metric.TRAINING_CV, metric.DROPPED, metric.LOSS],
  B: [metric.CV, metric.TRAINING_CV, metric.ROW_ERROR, metric.COLUMN_ERROR, metric.LOSS],
  C: [metric.GRAM, metric.CENTROID, metric.OVERLAP, metric.CV, metric.LOSS],
  D: [metric.ROUTING_ENTROPY, metric.CV, metric.LOSS],
};

/** T7: with the test of each difference to the reference. */
export function ablationTable(results: TableResults): Table {
  const arms = allArms(results);
  const reference = arms.find(({ arm }) => arm === results.reference)!;
  const others = arms.filter(({ arm }) => arm !== results.reference);
  const compared = compareTogether(
    [metric.LOSS, metric.CV].flatMap(({ pick }) =>
      others.map(other => ({
        name: other.arm,
        reference: bySeed(reference, pick),
        values: bySeed(other, pick),
      })),
    ),
  );
  const [loss, cv] = [compared.slice(0, others.length), compared.slice(others.length)];
  const column = (
    found: readonly Comparison[],
    name: string,
    title: string,
    of: (comparison: Comparison) => Cell,
    decimals?: number,
  ): ArmColumn => ({
    column: { name, title, ...(decimals === undefined ? {} : { decimals }) },
    cell: ({ arm }) => {
      const comparison = found.find(({ other }) => other === arm);
      return comparison === undefined ? null : of(comparison);
    },
  });
  const test = (of: string) =>
    `Paired t of the ${of} against ${reference.label}, two-sided, Holm over both columns of tests`;
  const tests = results.table.exploratory
    ? []
    : [
        column(loss, '95 % interval', 'Percentile bootstrap of the mean Δ loss, seeded', c =>
          intervalText(c, -1),
        ),
        column(
          loss,
          'effect',
          'd_z: mean Δ loss over the deviation of the differences',
          c => (c.test === undefined ? null : { value: -c.test.effect }),
          2,
        ),
        column(loss, 'p loss', test('loss'), pText),
        column(cv, 'p CV', test('CV'), pText),
      ];
  const difference = column(
    loss,
    'Δ loss',
    `Loss minus that of ${reference.label}, mean over paired seeds`,
    ({ difference: found }) => (found === undefined ? null : { value: -found }),
    4,
  );
  return armTable(
    results,
    'variant',
    [...METRICS.T7!.map(asColumn), difference, ...tests],
    ['Mean ± standard deviation over seeds, causal rule.'],
  );
}

/** B.4, B.5 and the sweeps A to D: a row per point and arm. */
export function sweepTable(results: TableResults): Table {
  const metrics = METRICS[results.id]!.map(asColumn);
  const diverged = {
    column: { name: 'diverged', title: 'Runs that diverged, of all' },
    cell: ({ rows, failures }: ArmResult): Cell =>
      `${failures.filter(({ reason }) => reason.startsWith('DIVERGED')).length} of ${rows.length + failures.length}`,
  };
  const notes = results.table.exploratory
    ? ['Exploratory: one seed or few tokens, no test is made on it.']
    : ['Mean ± standard deviation over seeds, causal rule.'];
  return armTable(results, 'point', results.id === 'B.5' ? [...metrics, diverged] : metrics, notes);
}

export interface ArmColumn {
  readonly column: Column;
  readonly cell: (arm: ArmResult) => Cell;
}

export const asColumn = ({ column, pick }: Metric): ArmColumn => ({
  column,
  cell: arm => (column.clock === true ? medianCell : meanCell)(arm, pick),
});

/** A row per arm and point. */
export function armTable(
  results: TableResults,
  head: string,
  columns: readonly ArmColumn[],
  notes: readonly string[],
): Table {
  const arms = allArms(results);
  const several = results.table.arms.length > 1;
  return {
    id: results.id,
    title: TITLES[results.id],
    head,
    columns: columns.map(({ column }) => column),
    rows: arms.map(
      (arm): Row => ({
        label: labelAt(arm, several),
        cells: columns.map(({ cell }) => cell(arm)),
        ...rowOf(arm),
        ...(arm.counted ? {} : { uncounted: true }),
      }),
    ),
    notes,
    exploratory: results.table.exploratory,
    missing: missingOf(arms),
  };
}

export function labelAt({ label, point }: ArmResult, several: boolean): string {
  const at = Object.entries(point.at).map(([axis, value]) => `${axis} ${value}`);
  return at.length === 0 ? label : [...(several ? [label] : []), ...at].join(', ');
}
