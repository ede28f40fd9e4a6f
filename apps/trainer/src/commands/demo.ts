/** `npm run demo`: a small model on six domains of real text, beside a baseline if asked. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SpectraError } from '@spectra/tensor';
import { loadConfig } from '../config/load.ts';
import type { TrainerConfig } from '../config/schema.ts';
import { type FinishedRun, finishRun, printSummary, writeResults } from '../run/finish.ts';
import { exitCodeOfSignal, Interrupt } from '../run/interrupt.ts';
import { newRunFolder, type RunFolder } from '../run/run-folder.ts';
import { withBaseline } from '../run/summary.ts';
import { runTraining } from '../run/train-run.ts';

interface DemoOptions {
  readonly compare: boolean;
  readonly steps?: number;
  readonly runsDir: string;
}

export async function demoCommand(options: DemoOptions): Promise<void> {
  const overrides = [
    `runs_dir=${JSON.stringify(options.runsDir)}`,
    ...(options.steps === undefined
      ? []
      : [
          `train.steps=${options.steps}`,
          `optim.schedule.warmup_steps=${Math.min(30, Math.ceil(options.steps / 5))}`,
        ]),
  ];
  const interrupt = new Interrupt(text => console.error(`\n${text}`));
  try {
    const shares =
      options.steps === undefined
        ? []
        : [
            `train.causal_steps=${Math.ceil(options.steps / 5)}`,
            `train.settle_steps=${Math.ceil(options.steps / 10)}`,
          ];
    const spectra = await train('demo.yaml', [...overrides, ...shares], interrupt);
    if (spectra === undefined) return;
    const { config, folder, finished } = spectra;
    let shown = finished;
    if (options.compare) {
      const baseline = await train('demo-switch.yaml', overrides, interrupt);
      if (baseline === undefined) return;
      shown = { ...finished, summary: withBaseline(finished.summary, baseline.finished.summary.eval_loss) };
      writeResults(config, folder, shown);
    }
    printSummary(shown, folder);
    if (shown.summary.bounds.some(bound => !bound.met))
      console.log('\nA longer run does better: spectra-trainer train configs/demo-full.yaml');
  } finally {
    interrupt.release();
  }
}

interface Trained {
  readonly config: TrainerConfig;
  readonly folder: RunFolder;
  readonly finished: FinishedRun;
}

/** Nothing when a signal ended it. */
async function train(
  file: string,
  overrides: readonly string[],
  interrupt: Interrupt,
): Promise<Trained | undefined> {
  const config = loadConfig(join(configsFolder(), file), overrides);
  const folder = newRunFolder(config, true);
  const { steps, causal_steps: causal = 0, settle_steps: settle = 0, workers } = config.train;
  const last = causal > 0 ? `, the last ${causal} by the rule of decoding,` : '';
  const passes = settle > 0 ? ` and ${settle} passes that settle prices` : '';
  console.error(`Training ${config.name} for ${steps} steps${last}${passes} on ${workers} threads.`);
  const outcome = await runTraining(config, { folder, resume: false, interrupt });
  try {
    if ('signal' in outcome) {
      console.error(`Saved in ${folder.path}. Continue with: spectra-trainer resume ${folder.path}`);
      process.exitCode = exitCodeOfSignal(outcome.signal);
      return undefined;
    }
    return { config, folder, finished: await finishRun(config, folder, outcome) };
  } finally {
    await outcome.trainer.dispose();
  }
}

/** The workspace's configs, beside or above this file. */
function configsFolder(): string {
  for (
    let folder = dirname(fileURLToPath(import.meta.url));
    folder !== dirname(folder);
    folder = dirname(folder)
  ) {
    if (existsSync(join(folder, 'configs', 'demo.yaml'))) return join(folder, 'configs');
  }
  throw new SpectraError('FILE_MISSING', {
    message: 'the demo configurations are not here.',
    where: 'configs/demo.yaml',
    fix: 'Run the demo in the workspace: npm run demo.',
  });
}
