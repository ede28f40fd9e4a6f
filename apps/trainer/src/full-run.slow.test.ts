/**
 * The full run behind the README's figures: SPECTRA and softmax top-2 with auxiliary loss, three seeds each, trained
 * alike. A finished run leaves its summary in docs/results/demo-full and is not run again while its configuration is
 * the same; a killed one goes on from its checkpoint.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './config/load.ts';
import { configHash } from './run/checkpoint.ts';
import { finishRun } from './run/finish.ts';
import { Interrupt } from './run/interrupt.ts';
import { runFolderAt } from './run/run-folder.ts';
import type { Summary } from './run/summary.ts';
import { runTraining } from './run/train-run.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const results = join(root, 'docs/results/demo-full');
const arms = { spectra: 'demo-full.yaml', switch: 'demo-full-switch.yaml' } as const;
const seeds = [0, 1, 2];

type Result = Summary & { readonly config_hash: string };
const found: Record<keyof typeof arms, Result[]> = { spectra: [], switch: [] };

async function resultOf(arm: keyof typeof arms, seed: number): Promise<Result> {
  const file = join(results, `${arm}-seed${seed}.json`);
  const overrides = [`seed=${seed}`, `name=full-${arm}-${seed}`, `runs_dir=${join(root, 'runs')}`];
  const config = loadConfig(join(root, 'configs', arms[arm]), overrides);
  const hash = configHash(config);
  if (existsSync(file)) {
    const result = JSON.parse(readFileSync(file, 'utf8')) as Result;
    if (result.config_hash === hash) return result;
  }
  const folder = runFolderAt(join(config.runs_dir, config.name));
  const resume =
    existsSync(folder.checkpoints) && readdirSync(folder.checkpoints).some(name => name.startsWith('step-'));
  const interrupt = new Interrupt(console.error);
  try {
    const outcome = await runTraining(config, { folder, resume, interrupt });
    if ('signal' in outcome) throw new Error(`stopped by ${outcome.signal}; the next call goes on`);
    const { summary } = await finishRun(config, folder, outcome);
    await outcome.trainer.dispose();
    const result = { ...summary, config_hash: hash };
    mkdirSync(results, { recursive: true });
    writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
    return result;
  } finally {
    interrupt.release();
  }
}

describe('full run', () => {
  beforeAll(async () => {
    for (const seed of seeds) {
      for (const arm of ['spectra', 'switch'] as const) found[arm].push(await resultOf(arm, seed));
    }
  }, 12 * 3_600_000);

  it.each(seeds)(
    'seed %i: load CV < 0.1 in every layer under both rules, Gram orthogonality > 0.94',
    seed => {
      const result = found.spectra[seed]!;
      expect(result.load_cv).toBeLessThan(0.1);
      expect(result.load_cv_causal).toBeLessThan(0.1);
      expect(result.gram_orthogonality).toBeGreaterThan(0.94);
    },
  );

  it.each(seeds)('seed %i: held-out loss below the baseline and the unigram entropy', seed => {
    expect(found.spectra[seed]!.eval_loss).toBeLessThan(found.switch[seed]!.eval_loss);
    expect(found.spectra[seed]!.eval_loss).toBeLessThan(found.spectra[seed]!.unigram_entropy);
  });
});
