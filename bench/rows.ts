/** What a benchmark finds, and the file that keeps it: a JSON array to which runs add. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

interface RowOf<Measure extends string> {
  readonly measure: Measure;
  readonly case: string;
  readonly backend: string;
  /** Sizes of `--quick`, which say nothing of speed. */
  readonly quick: boolean;
  /** Processor, cores and Node of the run. */
  readonly machine: string;
  /** Load average of the last minute when the row was taken; about 1 on a machine that does nothing else. */
  readonly load: number;
}

export interface TimeRow extends RowOf<'time'> {
  /** Medians of one run. */
  readonly ours_ms: number | null;
  /** Slowest over fastest run. */
  readonly spread: number | null;
  readonly runs: number;
  /** null where the case has no peer. */
  readonly peer: string | null;
  readonly peer_version: string | null;
  readonly peer_ms: number | null;
  readonly peer_spread: number | null;
  readonly peer_runs: number;
  /** peer_ms / ours_ms */
  readonly ratio: number | null;
  /** The ratio that is asked for. */
  readonly target: number | null;
  readonly tokens: number | null;
  readonly flops: number | null;
  /** Why a figure is missing. */
  readonly note: string | null;
}

export interface MemoryRow extends RowOf<'memory'> {
  /** MiB of resident memory at the peak of a run over that before the case. */
  readonly ours_mib: number;
  readonly peer: string | null;
  readonly peer_mib: number | null;
  readonly note: string | null;
}

export interface ScalingRow extends RowOf<'scaling'> {
  readonly variable: string;
  readonly values: readonly number[];
  readonly ours_ms: readonly number[];
  /** p of the least-squares fit time ∝ value^p. */
  readonly exponent: number;
}

export type Row = TimeRow | MemoryRow | ScalingRow;

export class RowFile {
  private readonly path: string | undefined;
  private rows: Row[];

  constructor(path: string | undefined) {
    this.path = path;
    this.rows = path !== undefined && existsSync(path) ? readRows(path) : [];
  }

  get all(): readonly Row[] {
    return this.rows;
  }

  /** Whether this case is there, on this backend. */
  has(measure: Row['measure'], name: string, backend: string, quick: boolean): boolean {
    return this.rows.some(row => row.measure === measure && sameCase(row, name, backend, quick));
  }

  /** Puts a case's rows in the place of those it had, and writes the file. */
  put(rows: readonly Row[]): void {
    const replaced = (old: Row): boolean =>
      rows.some(row => row.measure === old.measure && sameCase(old, row.case, row.backend, row.quick));
    this.rows = [...this.rows.filter(row => !replaced(row)), ...rows];
    if (this.path === undefined) return;
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(this.path, `[\n${this.rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`);
  }
}

function sameCase(row: Row, name: string, backend: string, quick: boolean): boolean {
  return row.case === name && row.backend === backend && row.quick === quick;
}

export function readRows(path: string): Row[] {
  return JSON.parse(readFileSync(path, 'utf8')) as Row[];
}
