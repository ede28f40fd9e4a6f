/** The compact record of a finished run, one JSON file each: enough to fill every table without the run's folder. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RoutingReport } from '@spectra/monitor';
import { SpectraError } from '@spectra/tensor';
import { makeFolder, type TrainerConfig, writeAtomically } from '@spectra/trainer';
import type { TaskResult } from '../tasks/task.ts';
import type { Answered } from './measures.ts';
import { ROW_FORMAT } from './run-id.ts';

/** Loss and routes under one rule. */
export interface RuleRow {
  readonly loss: number;
  readonly domains: Readonly<Record<string, { readonly loss: number; readonly tokens: number }>>;
  readonly routing: RoutingReport | null;
}

/** Values over the steps, thinned. */
export interface Curves {
  readonly step: readonly number[];
  readonly [name: string]: readonly (number | null)[];
}

/** How the probe batch was routed after a share of training. */
export interface MilestoneRow {
  readonly share: number;
  readonly step: number;
  readonly loss: number;
  readonly load_entropy: number;
  readonly load_cv: number;
  readonly routing_entropy: number | null;
  readonly gram_orthogonality: number | null;
  /** [layers][E] share of the slots. */
  readonly usage: readonly (readonly number[])[];
  /** Against the milestone before, means over layers; null at the first. */
  readonly top1_agreement: number | null;
  readonly jaccard: number | null;
  readonly kendall: number | null;
}

export interface ExpertRow {
  readonly expert: number;
  readonly usage: number;
  /** Mean causal loss of the tokens it serves. */
  readonly loss: number | null;
  readonly top_domain: string | null;
  readonly purity: number | null;
  readonly keywords: readonly string[];
}

export interface LengthRow {
  readonly length: number;
  /** Of the same tokens read with this context and with the shortest one: equal first experts, mean Jaccard. */
  readonly consistency: number;
  readonly jaccard: number;
  readonly sequential_overlap: number;
  readonly load_cv: number;
  readonly loss: number;
}

export interface TextRow {
  readonly title: string;
  readonly tokens: readonly string[];
  /** [layers][tokens][slots] */
  readonly experts: readonly (readonly (readonly number[])[])[];
  readonly gates: readonly (readonly (readonly number[])[])[];
}

export interface TimingRow {
  readonly part: string;
  readonly milliseconds: number;
  /** Per call. */
  readonly flops: number;
}

export interface RunRow {
  readonly format: number;
  readonly id: string;
  readonly kind: 'train' | 'timing';
  readonly label: string;
  readonly status: 'done' | 'failed';
  readonly failure?: { readonly code: string; readonly message: string };
  readonly seed: number;
  readonly config: TrainerConfig;
  readonly environment: {
    readonly backend: string;
    readonly node: string;
    readonly tfjs: string;
    readonly spectra: string;
    /** Commit of the program's sources, `+` where they were changed since; null outside a clone of them. */
    readonly source: string | null;
    readonly platform: string;
    readonly cpu: string;
  };
  readonly started: string;
  readonly finished: string;
  /** Everything below is of finished runs only. */
  readonly training?: {
    readonly steps: number;
    readonly tokens: number;
    /** By the clock, pauses of the process included. */
    readonly seconds: number;
    /** Of the median step. */
    readonly tokens_per_second: number;
    readonly curves: Curves;
  };
  readonly cost?: {
    readonly parameters: number;
    readonly active_parameters: number;
    readonly router_parameters: number;
    readonly flops: number;
    readonly router_flops: number;
  };
  readonly evaluation?: {
    readonly causal: RuleRow;
    readonly training: RuleRow;
    readonly agreement: number | null;
    /** Of the plan under the training rule, largest over batches and layers; null for routers without one. */
    readonly row_error: number | null;
    readonly column_error: number | null;
  };
  readonly milestones?: readonly MilestoneRow[];
  /** Of the last layer. */
  readonly experts?: readonly ExpertRow[];
  /** [position bins][E] share of the last layer's slots. */
  readonly positions?: readonly (readonly number[])[];
  /** [layers][E][D] unit vectors; null where the router has none. */
  readonly vectors?: readonly (readonly (readonly number[])[])[] | null;
  readonly measures?: {
    readonly lengths?: Answered<readonly LengthRow[]>;
    readonly texts?: Answered<readonly TextRow[]>;
    readonly tasks?: Answered<readonly TaskResult[]>;
  };
  readonly timing?: readonly TimingRow[];
}

const DIGITS = 9;

/** Nine significant digits are more than float32 has; rows are what every table is made of, so this is done once. */
export function formatRow(row: RunRow): string {
  const round = (_: string, value: unknown): unknown =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
  return `${JSON.stringify(row, round)}\n`;
}

export const rowPath = (folder: string, id: string): string => join(folder, `${id}.json`);

export function writeRow(folder: string, row: RunRow): void {
  makeFolder(folder);
  writeAtomically(rowPath(folder, row.id), formatRow(row));
}

/** Undefined if there is none; `FILE_BROKEN` for a file that is no row of this version. */
export function readRow(folder: string, id: string): RunRow | undefined {
  const path = rowPath(folder, id);
  if (!existsSync(path)) return undefined;
  const broken = (message: string, cause?: unknown): SpectraError =>
    new SpectraError('FILE_BROKEN', {
      message,
      where: path,
      fix: 'Remove the file; the run is then made again.',
      cause,
    });
  let row: RunRow;
  try {
    row = JSON.parse(readFileSync(path, 'utf8')) as RunRow;
  } catch (cause) {
    throw broken('it is not JSON.', cause);
  }
  if (row.format !== ROW_FORMAT || row.id !== id)
    throw broken(`it is no row of run ${id} in format ${ROW_FORMAT}.`);
  return row;
}

/** Ids of the rows in a folder. */
export function rowIds(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap(file => /^([0-9a-f]{16})\.json$/.exec(file)?.[1] ?? [])
    .sort();
}
