/** T10 and T11: two arms at each point, side by side, with their difference and its test. */
import { compareTogether } from '../statistics/compare.ts';
import * as metric from './metrics.ts';
import { type ArmResult, allArms, bySeed, meanCell, missingOf, rowOf, type TableResults } from './results.ts';
import { intervalText, pText } from './significance.ts';
import { type Cell, type Column, type Row, type Table, TITLES } from './table.ts';

export function versusTable(results: TableResults): Table {
  const { table, id, points, reference } = results;
  const names = points[0]?.arms.map(({ label }) => label) ?? [];
  const extra = id === 'T11' ? [metric.LOAD_ENTROPY, metric.GRAM, metric.CV] : [metric.PARAMETERS, metric.CV];
  const others = table.arms.filter(arm => arm !== reference);
  // one family: all differences of the table
  const tested = compareTogether(
    others.flatMap(name =>
      points.map(({ arms }) => {
        const [first, second] = [reference, name].map(wanted => arms.find(({ arm }) => arm === wanted)!);
        const pick = metric.LOSS.pick;
        return { name, reference: bySeed(first!, pick), values: bySeed(second!, pick) };
      }),
    ),
  );
  const rows = points.map(({ point, arms }, p): Row => {
    const referred = arms.find(({ arm }) => arm === reference)!;
    const differences = others.flatMap((_, o): Cell[] => {
      const comparison = tested[o * points.length + p]!;
      const shown = comparison.difference === undefined ? null : { value: comparison.difference };
      if (table.exploratory) return [shown];
      const effect = comparison.test === undefined ? null : { value: comparison.test.effect };
      return [shown, intervalText(comparison), effect, pText(comparison)];
    });
    return {
      label: Object.values(point.at).join(', '),
      cells: [
        ...arms.map(arm => meanCell(arm, metric.LOSS.pick)),
        ...differences,
        ...extra.map(({ pick }) => meanCell(referred, pick)),
      ],
      ...rowOf(...arms),
    };
  });
  const referenceLabel = labelOfArm(points[0]?.arms ?? [], reference);
  const columns: Column[] = [
    ...names.map(name => ({ name, title: `Held-out loss of ${name}, causal rule`, decimals: 4 })),
    ...others.flatMap(arm => {
      const label = labelOfArm(points[0]?.arms ?? [], arm);
      const several = others.length > 1 ? ` to ${label}` : '';
      return [
        {
          name: `difference${several}`,
          title: `Loss of ${referenceLabel} minus that of ${label}, over paired seeds`,
          decimals: 4,
        },
        ...(table.exploratory
          ? []
          : [
              { name: `95 % interval${several}`, title: 'Percentile bootstrap of the difference, seeded' },
              {
                name: `effect${several}`,
                title: 'd_z: mean difference over the deviation of the differences',
                decimals: 2,
              },
              { name: `p, Holm${several}`, title: 'Paired t, corrected over all differences of this table' },
            ]),
      ];
    }),
    ...extra.map(({ column: { better: _, ...column } }) => ({
      ...column,
      name: `${column.name} (${referenceLabel})`,
    })),
  ];
  return {
    id,
    title: TITLES[id],
    head: Object.keys(points[0]?.point.at ?? {}).join(', ') || 'point',
    columns,
    rows,
    notes: [
      'Mean ± standard deviation over seeds; a negative difference means a lower loss of the reference.',
    ],
    exploratory: table.exploratory,
    missing: missingOf(allArms(results)),
  };
}

const labelOfArm = (arms: readonly ArmResult[], name: string): string =>
  arms.find(({ arm }) => arm === name)?.label ?? name;
