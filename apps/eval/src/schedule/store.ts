/** The state of all runs in one SQLite file. Rows and run folders are the truth; this is what can be asked quickly. */
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { reportScalars } from '@spectra/monitor';
import { makeFolder } from '@spectra/trainer';
import type { Failure } from '../runs/job.ts';
import type { RunRow } from '../runs/row.ts';
import { describePoint, type Plan, type PlannedRun } from '../suite/expand.ts';

/** `submitted`: handed to a cluster. `interrupted`: saved and stopped. */
export type Status = 'pending' | 'submitted' | 'running' | 'interrupted' | 'done' | 'failed';

export interface RunRecord {
  readonly id: string;
  readonly kind: string;
  readonly label: string;
  readonly status: Status;
  readonly code: string | null;
  readonly reason: string | null;
  readonly attempts: number;
  readonly tokens: number;
  readonly seconds: number | null;
  readonly tokens_per_second: number | null;
}

const SCHEMA = `
CREATE TABLE IF NOT EXISTS runs (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, label TEXT NOT NULL, status TEXT NOT NULL DEFAULT 'pending',
  code TEXT, reason TEXT, attempts INTEGER NOT NULL DEFAULT 0, tokens INTEGER NOT NULL,
  seconds REAL, tokens_per_second REAL, started TEXT, finished TEXT) STRICT;
CREATE TABLE IF NOT EXISTS entries (
  suite TEXT NOT NULL, paper_table TEXT NOT NULL, arm TEXT NOT NULL, point TEXT NOT NULL, seed INTEGER NOT NULL,
  run TEXT, reason TEXT, PRIMARY KEY (suite, paper_table, arm, point, seed)) STRICT;
CREATE TABLE IF NOT EXISTS metrics (
  run TEXT NOT NULL, name TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (run, name)) STRICT;
CREATE TABLE IF NOT EXISTS speeds (
  model TEXT PRIMARY KEY, tokens_per_second REAL NOT NULL) STRICT;
`;

export class Store {
  readonly #database: DatabaseSync;

  /** Opens or makes the file; `:memory:` is one that nobody keeps. */
  constructor(path: string) {
    if (path !== ':memory:') makeFolder(dirname(path));
    this.#database = new DatabaseSync(path);
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    this.#database.exec(SCHEMA);
  }

  /** Knows of the plan's runs and of what each is for; states stay. */
  syncPlan({ suite, runs, entries }: Plan): void {
    const addRun = this.#database.prepare(
      'INSERT INTO runs (id, kind, label, tokens) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING',
    );
    const addEntry = this.#database.prepare(
      'INSERT INTO entries (suite, paper_table, arm, point, seed, run, reason) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#atOnce(() => {
      for (const { id, kind, label, tokens } of runs) addRun.run(id, kind, label, tokens);
      this.#database.prepare('DELETE FROM entries WHERE suite = ?').run(suite.name);
      for (const { table, arm, point, seed, run, reason } of entries) {
        const at = describePoint(point).join(', ');
        addEntry.run(suite.name, table, arm, at, seed, run ?? null, reason ?? null);
      }
    });
  }

  starting(id: string): void {
    this.#database
      .prepare(
        "UPDATE runs SET status = 'running', attempts = attempts + 1, started = ?, code = NULL, reason = NULL WHERE id = ?",
      )
      .run(new Date().toISOString(), id);
  }

  mark(id: string, status: 'pending' | 'submitted' | 'interrupted'): void {
    this.#database.prepare('UPDATE runs SET status = ? WHERE id = ?').run(status, id);
  }

  failed(id: string, { code, message }: Failure): void {
    this.#database
      .prepare("UPDATE runs SET status = 'failed', code = ?, reason = ?, finished = ? WHERE id = ?")
      .run(code, message, new Date().toISOString(), id);
  }

  /** Takes over a row: its state and its numbers. */
  recorded(row: RunRow): void {
    if (row.failure !== undefined) {
      this.failed(row.id, row.failure);
      return;
    }
    const metrics = this.#database.prepare(
      'INSERT OR REPLACE INTO metrics (run, name, value) VALUES (?, ?, ?)',
    );
    this.#atOnce(() => {
      this.#database
        .prepare(
          `UPDATE runs SET status = 'done', code = NULL, reason = NULL, seconds = ?, tokens_per_second = ?, started = ?,
           finished = ? WHERE id = ?`,
        )
        .run(
          row.training?.seconds ?? null,
          row.training?.tokens_per_second ?? null,
          row.started,
          row.finished,
          row.id,
        );
      for (const [name, value] of Object.entries(metricsOf(row))) metrics.run(row.id, name, value);
    });
  }

  run(id: string): RunRecord | undefined {
    return this.#database.prepare('SELECT * FROM runs WHERE id = ?').get(id) as RunRecord | undefined;
  }

  /** Of the plan's runs, in its order. */
  runs(plan: Plan): RunRecord[] {
    return plan.runs.flatMap(({ id }) => this.run(id) ?? []);
  }

  speed(model: string): number | undefined {
    const found = this.#database.prepare('SELECT tokens_per_second FROM speeds WHERE model = ?').get(model);
    return (found as { tokens_per_second: number } | undefined)?.tokens_per_second;
  }

  setSpeed(model: string, tokensPerSecond: number): void {
    this.#database.prepare('INSERT OR REPLACE INTO speeds VALUES (?, ?)').run(model, tokensPerSecond);
  }

  close(): void {
    this.#database.close();
  }

  #atOnce(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }
}

function metricsOf({ evaluation, training, cost }: RunRow): Record<string, number> {
  const routing = evaluation?.causal.routing;
  return {
    ...(cost ?? {}),
    ...(training === undefined ? {} : { tokens_per_second: training.tokens_per_second }),
    ...(evaluation === undefined
      ? {}
      : { eval_loss: evaluation.causal.loss, eval_loss_training_rule: evaluation.training.loss }),
    ...(routing === undefined || routing === null ? {} : reportScalars(routing)),
  };
}

/** What decides a run's speed: seeds and the number of steps do not. */
export function speedKey({ config, kind }: PlannedRun): string {
  const { model, data, train, backend } = config;
  const { micro_batches, workers, balance } = train;
  return JSON.stringify([kind, model, data.length, data.batch, micro_batches, workers, balance, backend]);
}
