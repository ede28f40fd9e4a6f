/** T12 and C.2: what checkpoints of a run tell. */

import type { MilestoneRow, RunRow } from '../runs/row.ts';
import { mean } from '../statistics/paired-t.ts';
import { type ArmResult, allArms, meanCell, missingOf, rowOf, type TableResults } from './results.ts';
import { type Cell, type Row, type Table, TITLES } from './table.ts';

const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** T12: how far routes and loads still move from one checkpoint to the next. */
export function stabilityTable(results: TableResults): Table {
  const arms = allArms(results).filter(({ rows }) => rows.length === 0 || rows[0]!.milestones!.length > 0);
  const shares = arms.flatMap(({ rows }) => rows)[0]?.milestones?.map(({ share }) => share) ?? [];
  const steps = shares.slice(1).map((share, i) => ({ from: shares[i]!, to: share, index: i + 1 }));
  const late = (row: RunRow): MilestoneRow[] => row.milestones!.filter(({ share }) => share >= 0.25);
  return {
    id: 'T12',
    title: TITLES.T12,
    head: 'method',
    columns: [
      ...steps.map(({ from, to }) => ({
        name: `${percent(from)} → ${percent(to)}`,
        title: 'Share of probe tokens whose first expert is the same at both checkpoints, mean over layers',
      })),
      {
        name: 'Jaccard, last step',
        title: 'Mean Jaccard of the sets of experts at the last two checkpoints',
        better: 'more',
      },
      {
        name: 'usage σ',
        title:
          'Standard deviation of an expert’s share of the slots over the checkpoints from 25 % on, mean over experts and layers',
        decimals: 4,
        better: 'less',
      },
      {
        name: 'Kendall τ',
        title: 'τ-b of the loads, mean over neighbouring checkpoints from 25 % on',
        better: 'more',
      },
    ],
    rows: arms.map(
      (arm): Row => ({
        label: arm.label,
        cells: [
          ...steps.map(({ index }) => meanCell(arm, row => row.milestones![index]?.top1_agreement)),
          meanCell(arm, row => row.milestones!.at(-1)?.jaccard),
          meanCell(arm, row => usageDeviation(late(row))),
          meanCell(arm, row => {
            const taus = late(row)
              .slice(1)
              .flatMap(({ kendall }) => kendall ?? []);
            return taus.length === 0 ? null : mean(taus);
          }),
        ],
        ...rowOf(arm),
        ...(arm.counted ? {} : { uncounted: true }),
      }),
    ),
    notes: ['One fixed probe of held-out text, routed by every checkpoint under the causal rule.'],
    exploratory: results.table.exploratory,
    missing: missingOf(allArms(results)),
  };
}

/** Population form. */
function usageDeviation(milestones: readonly MilestoneRow[]): number {
  const [first] = milestones;
  return mean(
    first!.usage.flatMap((layer, l) =>
      layer.map((_, expert) => {
        const shares = milestones.map(({ usage }) => usage[l]![expert]!);
        const centre = mean(shares);
        return Math.sqrt(mean(shares.map(share => (share - centre) ** 2)));
      }),
    ),
  );
}

/** C.2: loss, load entropy and Gram orthogonality of the arms at each checkpoint. */
export function dynamicsTable(results: TableResults): Table {
  const arms = allArms(results);
  const shares =
    arms.flatMap(({ rows }) => rows)[0]?.milestones?.map(({ share, step }) => ({ share, step })) ?? [];
  const values: readonly [string, (milestone: MilestoneRow) => number | null][] = [
    ['loss', milestone => milestone.loss],
    ['load entropy', milestone => milestone.load_entropy],
    ['Gram', milestone => milestone.gram_orthogonality],
  ];
  const cell = (arm: ArmResult, index: number, pick: (milestone: MilestoneRow) => number | null): Cell =>
    meanCell(arm, row => {
      const milestone = row.milestones![index];
      return milestone === undefined ? null : pick(milestone);
    });
  return {
    id: 'C.2',
    title: TITLES['C.2'],
    head: 'step',
    columns: arms.flatMap(({ label }) =>
      values.map(([name]) => ({
        name: `${name} (${label})`,
        title: `Of ${label}, on the probe, causal rule`,
      })),
    ),
    rows: shares.map(({ share, step }, index) => ({
      label: `${step} (${percent(share)})`,
      cells: arms.flatMap(arm => values.map(([, pick]) => cell(arm, index, pick))),
      ...rowOf(...arms),
    })),
    notes: ['Of the probe batch, causal rule; the curves of the training loss are in the figures.'],
    exploratory: results.table.exploratory,
    missing: missingOf(arms),
  };
}
