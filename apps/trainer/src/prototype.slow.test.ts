/**
 * The choices of the PyTorch prototype that the method was first tried with (`configs/prototype.yaml`), against what
 * it reached in as many steps: 1.974 nats per byte, causal load CV 0.08 and Gram orthogonality 0.951.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type RecordedRun, recordedRun } from './testing/recorded-run.ts';

const PROTOTYPE = { loss: 1.974, gram: 0.951 };

describe('prototype', () => {
  let run: RecordedRun;
  beforeAll(async () => {
    run = await recordedRun('prototype.yaml', 'prototype');
  }, 3_600_000);

  it('learns no slower than the prototype', () => {
    expect(run.eval_loss).toBeLessThan(PROTOTYPE.loss);
  });

  it('is as balanced, and its experts as distinct', () => {
    expect(run.load_cv).toBeLessThan(0.1);
    expect(run.load_cv_causal).toBeLessThan(0.1);
    expect(run.gram_orthogonality).toBeGreaterThan(PROTOTYPE.gram);
  });
});
