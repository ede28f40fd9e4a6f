/** A filled table: numbers with their spread, and the runs that each row came from. */
import type { TableId } from '../suite/schema.ts';

export interface Column {
  readonly name: string;
  /** What the name means. */
  readonly title?: string;
  /** Depends on the clock: two suites that are the same elsewhere may differ here. */
  readonly clock?: boolean;
  /** Decimals; three by default. */
  readonly decimals?: number;
  /** Where more, or less, is better; the best of counted rows is set bold. */
  readonly better?: 'more' | 'less';
}

export interface NumberCell {
  readonly value: number;
  /** Standard deviation over seeds, where there are several. */
  readonly deviation?: number;
  /** In brackets after the value: a score that is not comparable. */
  readonly bracket?: number;
}

/** Null is a value that does not exist. */
export type Cell = NumberCell | string | null;

/** A seed without a result, and why. */
export interface FailedSeed {
  /** Of which arm, where a row has several. */
  readonly arm: string;
  readonly seed: number;
  readonly reason: string;
}

export interface Row {
  readonly label: string;
  readonly cells: readonly Cell[];
  /** Ids, in the order of seeds. */
  readonly runs: readonly string[];
  readonly failures: readonly FailedSeed[];
  /** Shown, but no baseline. */
  readonly uncounted?: boolean;
}

export interface Table {
  readonly id: TableId;
  /** Told apart where an id has several tables. */
  readonly part?: string;
  readonly title: string;
  /** What the first column lists. */
  readonly head: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  /** What a reader must know, a sentence each. */
  readonly notes: readonly string[];
  /** One seed, fewer tokens: no tests. */
  readonly exploratory: boolean;
  /** Runs that are not there yet. */
  readonly missing: number;
}

export const TITLES: Readonly<Record<TableId, string>> = {
  T1: 'Main comparison',
  T7: 'Ablation',
  T9: 'Overhead of the router',
  T10: 'Scale',
  T11: 'Number of experts',
  T12: 'Stability',
  T13: 'Significance',
  'B.4': 'Router dimension',
  'B.5': 'Learning rates',
  'C.2': 'Training dynamics',
  'C.3': 'What each expert serves',
  A: 'Sweep A: quota',
  B: 'Sweep B: Sinkhorn',
  C: 'Sweep C: repulsion',
  D: 'Sweep D: sharpness',
  E: 'Sweep E: length',
};
