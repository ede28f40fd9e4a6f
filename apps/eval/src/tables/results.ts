/** What a plan came to: rows of runs, found by table, point and arm. */

import type { TrainerConfig } from '@spectra/trainer';
import { type RunRow, readRow } from '../runs/row.ts';
import type { BySeed } from '../statistics/compare.ts';
import { median } from '../statistics/median.ts';
import { mean, standardDeviation } from '../statistics/paired-t.ts';
import { type Entry, labelOf, type Plan, type Point } from '../suite/expand.ts';
import type { SuiteTable, TableId } from '../suite/schema.ts';
import type { FailedSeed, NumberCell } from './table.ts';

/** All seeds of one arm at one point. */
export interface ArmResult {
  readonly arm: string;
  readonly label: string;
  readonly point: Point;
  readonly counted: boolean;
  /** False: its training rule reads later tokens. */
  readonly causal: boolean;
  /** Of its first run, made or not; undefined where none is valid. */
  readonly config: TrainerConfig | undefined;
  /** Finished runs by rising seed. */
  readonly rows: readonly RunRow[];
  readonly failures: readonly FailedSeed[];
  readonly missing: number;
}

export interface TableResults {
  readonly id: TableId;
  readonly table: SuiteTable;
  readonly reference: string;
  /** By point, then in the order of the arms. */
  readonly points: readonly { readonly point: Point; readonly arms: readonly ArmResult[] }[];
}

export type RowSource = (id: string) => RunRow | undefined;

export const rowsIn =
  (folder: string): RowSource =>
  id =>
    readRow(folder, id);

/** Undefined for a table that the suite does not have. */
export function tableResults(plan: Plan, id: TableId, source: RowSource): TableResults | undefined {
  const table = plan.suite.tables[id];
  if (table === undefined) return undefined;
  const own = plan.entries.filter(entry => entry.table === id);
  const points = new Map<Point, Entry[]>();
  for (const entry of own) points.set(entry.point, [...(points.get(entry.point) ?? []), entry]);
  return {
    id,
    table,
    reference: table.reference ?? table.arms[0]!,
    points: [...points].map(([point, entries]) => ({
      point,
      arms: table.arms.map(arm =>
        armResult(
          plan,
          arm,
          point,
          entries.filter(entry => entry.arm === arm),
          source,
        ),
      ),
    })),
  };
}

function armResult(
  plan: Plan,
  arm: string,
  point: Point,
  entries: readonly Entry[],
  source: RowSource,
): ArmResult {
  const { counted, causal, ...rest } = plan.suite.arms[arm]!;
  const rows: RunRow[] = [];
  const failures: FailedSeed[] = [];
  const fail = (seed: number, text: string): void => {
    // what to do about it is for whoever watches the run
    failures.push({ arm, seed, reason: text.split(' Fix: ')[0]! });
  };
  let missing = 0;
  for (const { run, reason, seed } of [...entries].sort((a, b) => a.seed - b.seed)) {
    const row = run === undefined ? undefined : source(run);
    if (reason !== undefined) fail(seed, reason);
    else if (row === undefined) missing++;
    else if (row.failure !== undefined) fail(seed, `${row.failure.code}: ${row.failure.message}`);
    else rows.push(row);
  }
  return {
    arm,
    label: labelOf({ ...rest, counted, causal }, arm),
    point,
    counted,
    causal,
    config: plan.runs.find(({ id }) => entries.some(({ run }) => run === id))?.config,
    rows,
    failures,
    missing,
  };
}

export type Pick = (row: RunRow) => number | null | undefined;

/** A value by seed, where it exists. */
export function bySeed({ rows }: ArmResult, pick: Pick): BySeed {
  return new Map(
    rows.flatMap(row => {
      const value = pick(row);
      return value === null || value === undefined ? [] : [[row.seed, value] as const];
    }),
  );
}

/** Below this share of the mean a deviation is rounding. */
const ROUNDING = 1e-12;

/** Mean and, where seeds differ, deviation; null where no seed has a value. */
export function meanCell(result: ArmResult, pick: Pick, bracket?: Pick): NumberCell | null {
  const values = [...bySeed(result, pick).values()];
  if (values.length === 0) return null;
  const others = bracket === undefined ? [] : [...bySeed(result, bracket).values()];
  const deviation = standardDeviation(values);
  return {
    value: mean(values),
    ...(deviation > ROUNDING * Math.abs(mean(values)) ? { deviation } : {}),
    ...(others.length > 0 ? { bracket: mean(others) } : {}),
  };
}

/** For what a clock measured: one run that had to share the machine does not move it. Null where no seed has a value. */
export function medianCell(result: ArmResult, pick: Pick): NumberCell | null {
  const values = [...bySeed(result, pick).values()];
  return values.length === 0 ? null : { value: median(values) };
}

/** Of every arm at every point. */
export const allArms = ({ points }: TableResults): ArmResult[] => points.flatMap(({ arms }) => [...arms]);

/** What a row of one arm carries beside its cells. */
export const rowOf = (...results: readonly ArmResult[]) => ({
  runs: [...new Set(results.flatMap(({ rows }) => rows.map(({ id }) => id)))],
  failures: results.flatMap(({ failures }) => [...failures]),
});

export const missingOf = (results: readonly ArmResult[]): number =>
  results.reduce((sum, { missing }) => sum + missing, 0);
