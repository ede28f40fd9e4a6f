/** What is left of a plan, and what becomes of it: the one place that decides whether a run is needed. */
import { formatDuration } from '@spectra/trainer';
import { sourceVersion } from '../runs/environment.ts';
import { readFailure, runFolder } from '../runs/job.ts';
import { missingMeasures } from '../runs/measures.ts';
import { readRow } from '../runs/row.ts';
import type { Plan, PlannedRun } from '../suite/expand.ts';
import type { Ending, Program } from './program.ts';
import type { Store } from './store.ts';

export interface ScheduleParts {
  readonly plan: Plan;
  readonly store: Store;
  /** Folder of run folders. */
  readonly runs: string;
  /** Folder of rows. */
  readonly rows: string;
  readonly program: Program;
  /** One line for people. */
  readonly announce: (text: string) => void;
}

export class Schedule implements ScheduleParts {
  readonly plan: Plan;
  readonly store: Store;
  readonly runs: string;
  readonly rows: string;
  readonly program: Program;
  readonly announce: (text: string) => void;
  #ended = 0;

  constructor(parts: ScheduleParts) {
    this.plan = parts.plan;
    this.store = parts.store;
    this.runs = parts.runs;
    this.rows = parts.rows;
    this.program = parts.program;
    this.announce = parts.announce;
    this.store.syncPlan(this.plan);
    this.refresh();
  }

  /** Takes over the rows that are there, wherever they were made, and the failures that run folders tell of. */
  refresh(): void {
    for (const run of this.plan.runs) {
      const row = readRow(this.rows, run.id);
      const status = this.store.run(run.id)!.status;
      if (row !== undefined && this.isComplete(run)) this.store.recorded(row);
      else if (status === 'submitted' || status === 'running') {
        const failure = readFailure(runFolder(this.runs, run.id));
        if (failure !== undefined) this.store.failed(run.id, failure);
      } else if (status === 'done') this.store.mark(run.id, 'pending');
    }
  }

  /**
   * The runs without a complete row, in the plan's order. One that diverged has a row that says so; one that failed
   * otherwise, by memory or a missing file, is tried again.
   */
  left(): PlannedRun[] {
    return this.plan.runs.filter(run => !this.isComplete(run));
  }

  isComplete(run: PlannedRun): boolean {
    const row = readRow(this.rows, run.id);
    if (row === undefined) return false;
    return row.status === 'failed' || missingMeasures(run.measures, row.measures ?? {}).length === 0;
  }

  /** Rows of the plan that another version of the program made, as far as both are known. */
  otherSources(): { readonly rows: number; readonly sources: readonly string[] } {
    const own = sourceVersion();
    const found = this.plan.runs
      .flatMap(({ id }) => readRow(this.rows, id)?.environment.source ?? [])
      .filter(source => own !== null && source !== own);
    return { rows: found.length, sources: [...new Set(found)] };
  }

  started(run: PlannedRun): void {
    this.store.starting(run.id);
    this.announce(`start   ${run.id}  ${run.label}`);
  }

  ended(run: PlannedRun, ending: Ending): void {
    const row = readRow(this.rows, run.id);
    const tell = (what: string, tail = ''): void =>
      this.announce(`${what.padEnd(7)} ${run.id}  ${run.label}${tail === '' ? '' : `: ${tail}`}`);
    if (ending.kind === 'interrupted') {
      this.store.mark(run.id, 'interrupted');
      tell('saved');
      return;
    }
    this.#ended++;
    if (row?.failure !== undefined && this.isComplete(run)) {
      this.store.recorded(row);
      tell('failed', `${row.failure.code}: ${row.failure.message}`);
    } else if (ending.kind === 'failed') {
      this.store.failed(run.id, ending.failure);
      tell('failed', `${ending.failure.code}: ${ending.failure.message}`);
    } else if (row === undefined || !this.isComplete(run)) {
      const failure = { code: 'WORKER_FAILED', message: 'its process ended well but left no row.' };
      this.store.failed(run.id, failure);
      tell('failed', failure.message);
    } else {
      this.store.recorded(row);
      const { training, evaluation } = row;
      const loss = evaluation === undefined ? '' : `loss ${evaluation.causal.loss.toFixed(4)}, `;
      const speed =
        training === undefined
          ? 'timed'
          : `${Math.round(training.tokens_per_second)} tokens/s, ${formatDuration(training.seconds)}`;
      tell('done', `${loss}${speed}`);
    }
  }

  /** Runs that ended in this session, well or not. */
  get endedHere(): number {
    return this.#ended;
  }
}
