import { describe, expect, it } from 'vitest';
import type { Evaluation, RuleEvaluation } from '../evaluation/evaluate.ts';
import { type SummaryInput, summarise, withBaseline } from './summary.ts';

const rule = (loss: number): RuleEvaluation => ({
  balance: 'potentials',
  loss,
  domains: [{ domain: 'code', loss, perplexity: Math.exp(loss), tokens: 100 }],
});
const evaluation: Evaluation = { causal: rule(2), training: rule(1.9) };
const input: SummaryInput = {
  name: 'x',
  step: 10,
  optimizerSteps: 10,
  stopped: undefined,
  seed: 0,
  size: { parameters: 5, trainable: 3 },
  tokensSeen: 1000,
  evaluation,
  unigramEntropy: 3,
  trainSeconds: 4,
  secondsTotal: 6,
  backend: 'wasm',
  bounds: { load_cv: 0.1, gram_orthogonality: 0.94 },
};

describe('summary', () => {
  it('of a dense model has no routing figures and one bound', () => {
    const summary = summarise(input);
    expect(summary).toMatchObject({
      eval_loss: 2,
      unigram_entropy: 3,
      parameters: 5,
      trainable_parameters: 3,
      load_cv: null,
      gram_orthogonality: null,
      train_tokens_per_second: 250,
      baseline_eval_loss: null,
    });
    expect(summary.bounds).toEqual([
      { name: 'eval_loss', value: 2, bound: 3, direction: 'below', met: true },
    ]);
  });

  it('says that a bound is missed', () => {
    expect(summarise({ ...input, unigramEntropy: 1 }).bounds[0]!.met).toBe(false);
    const compared = withBaseline(withBaseline(summarise(input), 1.5), 1.9);
    expect(compared.baseline_eval_loss).toBe(1.9);
    expect(compared.bounds.filter(b => b.name === 'eval_loss_below_baseline')).toEqual([
      { name: 'eval_loss_below_baseline', value: 2, bound: 1.9, direction: 'below', met: false },
    ]);
  });
});
