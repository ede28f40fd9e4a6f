/** The full run behind the README's figures: SPECTRA and softmax top-2 with auxiliary loss, three seeds each, trained alike. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type RecordedRun, recordedRun } from './testing/recorded-run.ts';

const arms = { spectra: 'demo-full.yaml', switch: 'demo-full-switch.yaml' } as const;
const seeds = [0, 1, 2];
const found: Record<keyof typeof arms, RecordedRun[]> = { spectra: [], switch: [] };

describe('full run', () => {
  beforeAll(async () => {
    for (const seed of seeds) {
      for (const arm of ['spectra', 'switch'] as const) {
        found[arm].push(await recordedRun(arms[arm], `demo-full/${arm}-seed${seed}`, [`seed=${seed}`]));
      }
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
