/**
 * Long runs whose summaries are committed: a run that is on record is not trained again while its configuration is
 * the same, and a killed one goes on from its checkpoint.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJsonl } from '@spectra/monitor/node';
import { loadConfig } from '../config/load.ts';
import { configHash } from '../run/checkpoint.ts';
import { finishRun } from '../run/finish.ts';
import { Interrupt } from '../run/interrupt.ts';
import { runFolderAt } from '../run/run-folder.ts';
import type { Summary } from '../run/summary.ts';
import { runTraining } from '../run/train-run.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

export type RecordedRun = Summary & {
  readonly config_hash: string;
  /** Step by step: training loss and load, held-out losses where they were measured. */
  readonly curve?: readonly Readonly<Record<string, number>>[];
};

const CURVE = /^(step|loss|load_cv|eval_loss|eval\/.+_loss|causal\/overall\/cv)$/;

/** The summary of `configs/CONFIG` under `docs/results/RECORD.json`, trained now unless it is there. */
export async function recordedRun(
  config: string,
  record: string,
  overrides: readonly string[] = [],
  { curve = false }: { readonly curve?: boolean } = {},
): Promise<RecordedRun> {
  const file = join(root, 'docs/results', `${record}.json`);
  const load = (more: readonly string[]) =>
    loadConfig(join(root, 'configs', config), [...overrides, ...more]);
  const hash = configHash(load([]));
  if (existsSync(file)) {
    const result = JSON.parse(readFileSync(file, 'utf8')) as RecordedRun;
    if (result.config_hash === hash) return result;
  }
  // the hash in its name: what another configuration left unfinished is not resumed
  const name = `record-${record.replaceAll('/', '-')}-${hash.slice(0, 8)}`;
  const resolved = load([`name=${name}`, `runs_dir=${join(root, 'runs')}`]);
  const folder = runFolderAt(join(resolved.runs_dir, resolved.name));
  const resume =
    existsSync(folder.checkpoints) && readdirSync(folder.checkpoints).some(name => name.startsWith('step-'));
  const interrupt = new Interrupt(console.error);
  try {
    const outcome = await runTraining(resolved, { folder, resume, interrupt });
    if ('signal' in outcome) throw new Error(`stopped by ${outcome.signal}; the next call goes on`);
    const { summary } = await finishRun(resolved, folder, outcome);
    await outcome.trainer.dispose();
    const rows = curve ? { curve: readJsonl(folder.metrics).map(curveRow) } : {};
    const result = { ...summary, config_hash: hash, ...rows };
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
    return result;
  } finally {
    interrupt.release();
  }
}

function curveRow(row: Readonly<Record<string, unknown>>): Record<string, number> {
  const kept = Object.entries(row).filter(([key, value]) => CURVE.test(key) && typeof value === 'number');
  return Object.fromEntries(kept) as Record<string, number>;
}
