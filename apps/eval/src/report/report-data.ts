/** Everything that a report shows, whatever its form. */
import { buildFigures } from '../figures/build-figures.ts';
import type { Figure } from '../figures/figure.ts';
import type { RunRow } from '../runs/row.ts';
import { LEVEL } from '../statistics/compare.ts';
import { describePoint, type Plan } from '../suite/expand.ts';
import { buildTables } from '../tables/build-tables.ts';
import { CV, GRAM, LOSS } from '../tables/metrics.ts';
import { allArms, type RowSource, tableResults } from '../tables/results.ts';
import type { Row, Table } from '../tables/table.ts';

export interface Headline {
  readonly name: string;
  readonly value: string;
  readonly bound: string;
  readonly status: 'met' | 'missed' | 'info';
  readonly note: string;
}

/** A run and what it is used for. */
export interface RunUse {
  readonly id: string;
  readonly label: string;
  /** `T1 SPECTRA`, … */
  readonly uses: readonly string[];
  readonly row: RunRow | undefined;
  /** Why it failed, where that is no row. */
  readonly reason: string | undefined;
}

export interface ReportData {
  readonly plan: Plan;
  readonly tables: readonly Table[];
  readonly figures: readonly Figure[];
  readonly headlines: readonly Headline[];
  readonly runs: readonly RunUse[];
  /** The versions of the program that rows were made by, in the order of the runs. */
  readonly sources: readonly string[];
  /** When the newest row was finished; undefined without any. */
  readonly date: string | undefined;
}

/** What the method is to reach in every layer, at every seed. */
const TARGETS = { cv: 0.05, gram: 0.95 } as const;

export function reportData(plan: Plan, source: RowSource): ReportData {
  const tables = buildTables(plan, source);
  const runs = plan.runs.map(({ id, label }) => ({
    id,
    label,
    uses: [
      ...new Set(
        plan.entries
          .filter(({ run }) => run === id)
          .map(({ table, arm, point }) => [table, arm, ...describePoint(point)].join(' ')),
      ),
    ],
    row: source(id),
    reason: plan.entries.find(({ run }) => run === id)?.reason,
  }));
  const dates = runs.flatMap(({ row }) => row?.finished ?? []).sort();
  return {
    plan,
    tables,
    figures: buildFigures(plan, source),
    headlines: headlines(plan, source, tables),
    runs,
    sources: [...new Set(runs.flatMap(({ row }) => row?.environment.source ?? []))],
    date: dates.at(-1)?.slice(0, 16).replace('T', ' '),
  };
}

/** What a reader must know of rows that different versions made. */
export const mixedSources = (sources: readonly string[]): string =>
  `Rows come from ${sources.length} versions of the program (${sources.join(', ')}); a row names its own.`;

function headlines(plan: Plan, source: RowSource, tables: readonly Table[]): Headline[] {
  const main = tableResults(plan, 'T1', source);
  if (main === undefined) return [];
  const reference = allArms(main).find(({ arm }) => arm === main.reference)!;
  const worst = (pick: typeof CV.pick, of: (...values: number[]) => number): number | undefined => {
    const values = reference.rows.flatMap(row => pick(row) ?? []);
    return values.length === 0 ? undefined : of(...values);
  };
  const cv = worst(CV.pick, Math.max);
  const gram = worst(GRAM.pick, Math.min);
  const loss = worst(LOSS.pick, (...values) => values.reduce((a, b) => a + b, 0) / values.length);
  const bounded = (
    name: string,
    value: number | undefined,
    sign: '<' | '>',
    bound: number,
    note: string,
  ): Headline => ({
    name,
    value: value === undefined ? '–' : value.toFixed(3),
    bound: `${sign} ${bound}`,
    status: value === undefined ? 'info' : (sign === '<' ? value < bound : value > bound) ? 'met' : 'missed',
    note,
  });
  return [
    bounded('causal CV', cv, '<', TARGETS.cv, 'largest over layers and seeds'),
    bounded('Gram orthogonality', gram, '>', TARGETS.gram, 'smallest over layers and seeds'),
    {
      name: 'held-out loss',
      value: loss === undefined ? '–' : loss.toFixed(4),
      bound: '',
      status: 'info',
      note: `nats per token, causal, mean over ${reference.rows.length} seeds`,
    },
    ...baselinesBeaten(tables),
  ];
}

/** Of the baselines of equal cost, those whose loss is significantly higher; and who else is ahead, lest it be overlooked. */
function baselinesBeaten(tables: readonly Table[]): Headline[] {
  const table = tables.find(({ id }) => id === 'T13');
  if (table === undefined) return [];
  const column = (name: string): number => table.columns.findIndex(found => found.name === name);
  const [difference, p] = [column('difference'), column('p, Holm')];
  const differenceOf = ({ cells }: Row): number => {
    const cell = cells[difference];
    return typeof cell === 'object' && cell !== null ? cell.value : Number.NaN;
  };
  const baselines = table.rows.filter(({ uncounted }) => uncounted !== true);
  const beaten = baselines.filter(row => {
    const text = row.cells[p];
    return differenceOf(row) < 0 && typeof text === 'string' && text.endsWith('*');
  });
  const untested = baselines.filter(({ cells }) => cells[column('t')] === null).length;
  const decided = beaten.length === baselines.length - untested;
  const others = table.rows.filter(({ uncounted }) => uncounted === true);
  const ahead = others.filter(row => differenceOf(row) > 0).map(({ label }) => label);
  return [
    {
      name: 'baselines with a higher loss',
      value: `${beaten.length} of ${baselines.length}`,
      bound: `p < ${LEVEL}`,
      status: !decided ? 'missed' : untested > 0 || baselines.length === 0 ? 'info' : 'met',
      note: `causal arms of equal cost, Holm over T13${untested === 0 ? '' : `; ${untested} not tested yet`}`,
    },
    {
      name: 'other arms with a lower loss',
      value: `${ahead.length} of ${others.length}`,
      bound: '',
      status: 'info',
      note: ['of another cost or not counted', ...ahead].join('; '),
    },
  ];
}
