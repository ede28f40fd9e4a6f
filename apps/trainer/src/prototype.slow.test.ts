/**
 * The choices of the PyTorch prototype that the method was first tried with (`configs/prototype.yaml`), against what
 * that program reaches on the same text in as many steps: 2.155 nats per byte, Gram orthogonality 0.956.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { type RecordedRun, recordedRun } from './testing/recorded-run.ts';

const PROTOTYPE = { loss: 2.155, gram: 0.956 };

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
