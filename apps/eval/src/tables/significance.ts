/** T13: the reference against each other arm, with everything that belongs to a test. */
import { freshModel } from '@spectra/trainer';
import { bootstrapInterval } from '../statistics/bootstrap.ts';
import { type Comparison, compareAll, LEVEL } from '../statistics/compare.ts';
import { modelCost } from '../suite/cost.ts';
import { LOSS } from './metrics.ts';
import { type ArmResult, allArms, bySeed, missingOf, rowOf, type TableResults } from './results.ts';
import { type Cell, type Table, TITLES } from './table.ts';

/** Share of the reference's operations within which a causal arm is a baseline. */
export const FLOPS_TOLERANCE = 0.05;

export function significanceTable(results: TableResults): Table {
  const arms = allArms(results);
  const reference = arms.find(({ arm }) => arm === results.reference)!;
  const others = arms.filter(({ arm }) => arm !== results.reference);
  const flops = flopsOf(reference);
  const comparisons = compareAll(
    bySeed(reference, LOSS.pick),
    others.map(other => ({ name: other.arm, values: bySeed(other, LOSS.pick) })),
  );
  const rows = others.map((other, i) => {
    const comparison = comparisons[i]!;
    const { difference, test, wilcoxon } = comparison;
    const [own, tested] = [flopsOf(other), !results.table.exploratory];
    const ratio = own === undefined || flops === undefined ? undefined : own / flops;
    const near = ratio !== undefined && Math.abs(ratio - 1) <= FLOPS_TOLERANCE;
    const baseline = other.counted && other.causal && near;
    const cells: Cell[] = [
      comparison.seeds.length === 0 ? null : { value: comparison.seeds.length },
      difference === undefined ? null : { value: difference },
      intervalText(comparison),
      test === undefined || !tested ? null : { value: test.t },
      ...(tested
        ? [test === undefined ? (comparison.note ?? null) : pNumber(test.p), pText(comparison)]
        : [null, null]),
      test === undefined ? null : { value: test.effect },
      wilcoxon === undefined || !tested ? null : pNumber(wilcoxon.p),
      wilcoxon === undefined || !tested
        ? null
        : `${pNumber(wilcoxon.smallestP)}${wilcoxon.smallestP > LEVEL ? ', decides nothing' : ''}`,
      ratio === undefined ? null : { value: ratio },
      baseline ? 'yes' : 'no',
    ];
    return {
      label: other.label,
      cells,
      ...rowOf(reference, other),
      ...(baseline ? {} : { uncounted: true }),
    };
  });
  return {
    id: 'T13',
    title: TITLES.T13,
    head: `${reference.label} against`,
    columns: [
      { name: 'pairs', title: 'Seeds that both have', decimals: 0 },
      {
        name: 'difference',
        title: `Loss of ${reference.label} minus the other’s, mean over paired seeds`,
        decimals: 4,
      },
      { name: '95 % interval', title: 'Percentile bootstrap of the mean difference, seeded' },
      { name: 't', title: 'Student’s paired t', decimals: 2 },
      { name: 'p', title: 'Two-sided' },
      { name: 'p, Holm', title: 'Corrected over all rows of this table' },
      { name: 'effect', title: 'd_z: mean difference over the deviation of the differences', decimals: 2 },
      { name: 'p, Wilcoxon', title: 'Signed ranks, two-sided' },
      { name: 'smallest', title: 'The smallest p that signed ranks can attain with as many seeds' },
      {
        name: 'FLOPs ratio',
        title: 'Of a token’s forward pass, the other’s over the reference’s',
        decimals: 3,
      },
      { name: 'baseline', title: 'A causal arm within 5 % of the reference’s FLOPs that the suite counts' },
    ],
    rows,
    notes: [
      'The paired t decides, at 0.05 after Holm; a negative difference means a lower loss of the reference.',
      'Rows in italics are no baseline of equal cost; they are tested like the others, and the correction counts them.',
    ],
    exploratory: results.table.exploratory,
    missing: missingOf(arms),
  };
}

/** Of a token's forward pass, as planned: an arm without a row costs what it would. */
const flopsOf = ({ config }: ArmResult): number | undefined =>
  config === undefined ? undefined : modelCost(freshModel(config), config.data.length).flops;

/** The bootstrap interval of the mean difference; null where seeds are too few for a test. */
export function intervalText({ test, differences }: Comparison, sign: 1 | -1 = 1): string | null {
  if (test === undefined) return null;
  const [low, high] = bootstrapInterval(differences.map(difference => sign * difference));
  return `${signed(low)} … ${signed(high)}`;
}

const signed = (value: number): string => value.toFixed(4).replace('-', '−');

/** Three digits; below 0.001 with its power. */
export const pNumber = (p: number): string => (p < 0.001 ? p.toExponential(1) : p.toFixed(3));

/** The corrected p with a star where it is significant, or why there is none. */
export function pText({ correctedP, note }: Comparison): string | null {
  if (correctedP === undefined) return note ?? null;
  return `${pNumber(correctedP)}${correctedP < LEVEL ? ' *' : ''}`;
}
