/** Short runs from the model folders of `fixtures/hf`, in a folder of their own. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJsonl } from '@spectra/monitor/node';
import { parseConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { Interrupt } from '../run/interrupt.ts';
import { Progress } from '../run/progress.ts';
import { runFolderAt } from '../run/run-folder.ts';
import { runTraining } from '../run/train-run.ts';

const FIXTURES = fileURLToPath(new URL('../../../../fixtures/hf', import.meta.url));

export const BYTES = 'data.tokenizer={kind: bytes}';

/** A temporary folder with a model and runs. */
export class ShortRuns {
  readonly folder = mkdtempSync(join(tmpdir(), 'spectra-short-'));

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** A copy of a fixture's model folder, with further files. */
  model(fixture: string, files: Readonly<Record<string, string>> = {}, name = fixture): string {
    const path = this.path(name);
    cpSync(join(FIXTURES, fixture), path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  }

  /** Trains on sums in short rows; a key of `overrides` counts. */
  config(name: string, from: string, ...overrides: string[]): TrainerConfig {
    return parseConfig(
      `
name: ${name}
backend: wasm
runs_dir: ${this.path('runs')}
model: { from: ${from} }
data:
  corpora: [{ domain: sums, source: math, max_bytes: 60000 }]
  length: 32
  batch: 2
  document_length: 128
  held_out: 0.1
train: { steps: 6, eval_tokens: 64, eval_every: 0, checkpoint_every: 0, micro_batches: 2 }
optim: { lr: 3.0e-3, schedule: { kind: constant } }
`,
      overrides,
    );
  }

  /** Runs to the end or to the time limit and gives the losses and the newest checkpoint's folder. */
  async train(
    config: TrainerConfig,
    resume = false,
  ): Promise<{ losses: number[]; checkpoint: string; evalLoss: number; causalCv: number | undefined }> {
    const folder = runFolderAt(join(config.runs_dir, config.name));
    const silent = { isTTY: false, write: () => true } as unknown as NodeJS.WriteStream;
    const interrupt = new Interrupt(() => undefined);
    try {
      const outcome = await runTraining(config, {
        folder,
        resume,
        interrupt,
        progress: new Progress(silent),
      });
      if ('signal' in outcome) throw new Error(`stopped by ${outcome.signal}`);
      const { step } = outcome.trainer;
      await outcome.trainer.dispose();
      return {
        losses: readJsonl(folder.metrics).flatMap(row => (typeof row.loss === 'number' ? [row.loss] : [])),
        checkpoint: join(folder.checkpoints, `step-${step}`),
        evalLoss: outcome.evaluation.causal.loss,
        causalCv: outcome.evaluation.causal.routing?.overall.cv,
      };
    } finally {
      interrupt.release();
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true });
  }
}

export const fileOf = (checkpoint: string, name: string): Buffer => readFileSync(join(checkpoint, name));
