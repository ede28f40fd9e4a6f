/** `summary.json`: what a run came to, with every bound said to be met or missed. */
import type { Evaluation } from '../evaluation/evaluate.ts';
import type { ParameterCount } from '../training/freeze.ts';

export interface Summary {
  readonly name: string;
  /** Of the optimizer. */
  readonly steps: number;
  /** Forward passes after them that settled the routers; absent without any. */
  readonly settle_steps?: number;
  readonly stopped: string | null;
  readonly seed: number;
  readonly parameters: number;
  /** Those that are not frozen. */
  readonly trainable_parameters: number;
  readonly train_tokens: number;
  /** Held-out nats per token under the causal rule, mean over domains. */
  readonly eval_loss: number;
  readonly eval_loss_by_domain: Readonly<Record<string, number>>;
  /** Under the rule that trained. */
  readonly eval_loss_training_rule: number;
  /** Nats per token of the training text's unigram distribution. */
  readonly unigram_entropy: number;
  /** Of softmax top-2 with auxiliary loss, trained alike; null unless compared. */
  readonly baseline_eval_loss: number | null;
  /** Largest over layers, under the training rule. */
  readonly load_cv: number | null;
  /** Largest over layers, under the causal decoding rule. */
  readonly load_cv_causal: number | null;
  /** √((E/k − 1)/N): what random choice alone would give. */
  readonly load_cv_floor: number | null;
  /** Smallest over layers. */
  readonly gram_orthogonality: number | null;
  readonly rule_agreement: number | null;
  readonly train_tokens_per_second: number;
  /** Seconds of training steps. */
  readonly train_seconds: number;
  /** Seconds in all. */
  readonly seconds: number;
  readonly backend: string;
  readonly bounds: readonly Bound[];
}

export type BoundName =
  | 'eval_loss'
  | 'eval_loss_below_baseline'
  | 'load_cv'
  | 'load_cv_causal'
  | 'gram_orthogonality';

export interface Bound {
  readonly name: BoundName;
  readonly value: number | null;
  readonly bound: number;
  readonly direction: 'below' | 'above';
  readonly met: boolean;
}

export interface SummaryInput {
  readonly name: string;
  /** Steps done. */
  readonly step: number;
  /** Of them the optimizer's, at most. */
  readonly optimizerSteps: number;
  readonly stopped: string | undefined;
  readonly seed: number;
  readonly size: ParameterCount;
  readonly tokensSeen: number;
  readonly evaluation: Evaluation;
  readonly unigramEntropy: number;
  readonly trainSeconds: number;
  readonly secondsTotal: number;
  readonly backend: string;
  readonly bounds: { readonly load_cv: number; readonly gram_orthogonality: number };
}

export function summarise(input: SummaryInput): Summary {
  const { evaluation } = input;
  const { causal, training } = evaluation;
  const [first] = causal.routing?.layers ?? [];
  const values = {
    eval_loss: causal.loss,
    load_cv: training.routing?.overall.cv ?? null,
    load_cv_causal: causal.routing?.overall.cv ?? null,
    gram_orthogonality: causal.routing?.overall.gramOrthogonality ?? null,
  };
  const bounds = [
    bound('eval_loss', values.eval_loss, 'below', input.unigramEntropy),
    ...(causal.routing === undefined
      ? []
      : [
          bound('load_cv', values.load_cv, 'below', input.bounds.load_cv),
          bound('load_cv_causal', values.load_cv_causal, 'below', input.bounds.load_cv),
          bound('gram_orthogonality', values.gram_orthogonality, 'above', input.bounds.gram_orthogonality),
        ]),
  ];
  return {
    name: input.name,
    steps: Math.min(input.step, input.optimizerSteps),
    ...(input.step > input.optimizerSteps ? { settle_steps: input.step - input.optimizerSteps } : {}),
    stopped: input.stopped ?? null,
    seed: input.seed,
    parameters: input.size.parameters,
    trainable_parameters: input.size.trainable,
    train_tokens: input.tokensSeen,
    ...values,
    eval_loss_by_domain: Object.fromEntries(causal.domains.map(({ domain, loss }) => [domain, loss])),
    eval_loss_training_rule: training.loss,
    unigram_entropy: input.unigramEntropy,
    baseline_eval_loss: null,
    load_cv_floor: first?.samplingFloor ?? null,
    rule_agreement: evaluation.agreement ?? null,
    train_tokens_per_second: input.tokensSeen / input.trainSeconds,
    train_seconds: input.trainSeconds,
    seconds: input.secondsTotal,
    backend: input.backend,
    bounds,
  };
}

/** The summary with the baseline's loss and its bound. */
export function withBaseline(summary: Summary, baselineLoss: number): Summary {
  const others = summary.bounds.filter(({ name }) => name !== 'eval_loss_below_baseline');
  return {
    ...summary,
    baseline_eval_loss: baselineLoss,
    bounds: [...others, bound('eval_loss_below_baseline', summary.eval_loss, 'below', baselineLoss)],
  };
}

function bound(name: BoundName, value: number | null, direction: 'below' | 'above', limit: number): Bound {
  const met = value !== null && (direction === 'below' ? value < limit : value > limit);
  return { name, value, bound: limit, direction, met };
}
