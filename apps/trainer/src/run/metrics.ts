/** The rows of metrics.jsonl; names as in Hugging Face's Trainer where it has them. */
import { loadMetrics, type RoutingReport, reportScalars } from '@spectra/monitor';
import type { Evaluation } from '../evaluation/evaluate.ts';
import type { PassResult, StepResult } from '../training/trainer.ts';

export interface StepMetrics {
  readonly loss: number;
  readonly router_loss: number;
  readonly epoch: number;
  /** Of steps of the optimizer, as are the norms. */
  readonly learning_rate?: number;
  readonly grad_norm?: number;
  readonly grad_norm_router?: number;
  readonly grad_norm_expert?: number;
  readonly grad_norm_other?: number;
  /** Largest over the layers, under the rule of the step: that of a pass that settles prices is the causal one. */
  readonly load_cv?: number;
  /** Mean over the layers of H(P)/log E, where the router has that loss. */
  readonly routing_entropy?: number;
  readonly [name: string]: number | undefined;
}

export function stepMetrics(result: PassResult | StepResult, epoch: number): StepMetrics {
  const layers = loadsOf(result).map(load => ({ load, cv: loadMetrics(load).cv }));
  const entropies = result.microBatches.flatMap(batch =>
    batch.layers.flatMap(({ losses, load }) =>
      losses.entropy === undefined || load.length < 2 ? [] : [losses.entropy / Math.log(load.length)],
    ),
  );
  return {
    loss: result.loss,
    router_loss: result.routerLoss,
    ...('gradNorm' in result ? optimizerMetrics(result) : {}),
    epoch,
    ...(layers.length === 0 ? {} : { load_cv: Math.max(...layers.map(layer => layer.cv)) }),
    ...(entropies.length === 0
      ? {}
      : { routing_entropy: entropies.reduce((a, b) => a + b, 0) / entropies.length }),
    ...Object.fromEntries(layers.map(({ cv }, i) => [`layer_${i}/load_cv`, cv])),
  };
}

function optimizerMetrics({ learningRate, gradNorm, gradNormByRole }: StepResult) {
  return {
    learning_rate: learningRate,
    grad_norm: gradNorm,
    grad_norm_router: gradNormByRole.router,
    grad_norm_expert: gradNormByRole.expert,
    grad_norm_other: gradNormByRole.other,
  };
}

/** Per layer the slots of each expert, over all micro-batches of the step. */
export function loadsOf(result: PassResult): number[][] {
  const [first] = result.microBatches;
  return (first?.layers ?? []).map((layer, i) =>
    Array.from(layer.load, (_, e) =>
      result.microBatches.reduce((sum, batch) => sum + batch.layers[i]!.load[e]!, 0),
    ),
  );
}

export function evaluationMetrics(evaluation: Evaluation): Record<string, number> {
  const { causal, training, agreement } = evaluation;
  return {
    eval_loss: causal.loss,
    eval_loss_training_rule: training.loss,
    ...Object.fromEntries(causal.domains.map(({ domain, loss }) => [`eval/${domain}_loss`, loss])),
    ...prefixed('causal/', causal.routing),
    ...prefixed('training_rule/', training.routing),
    ...(agreement === undefined ? {} : { 'eval/rule_agreement': agreement }),
    ...causalShares(causal.routing),
  };
}

function prefixed(prefix: string, report: RoutingReport | undefined): Record<string, number> {
  if (report === undefined) return {};
  return Object.fromEntries(
    Object.entries(reportScalars(report)).map(([name, value]) => [prefix + name, value]),
  );
}

/** Share of the slots that each expert served, by layer, for the plot of usage over training. */
function causalShares(report: RoutingReport | undefined): Record<string, number> {
  return Object.fromEntries(
    (report?.layers ?? []).flatMap(({ layer, loadByExpert }) => {
      const total = loadByExpert.reduce((a, b) => a + b, 0);
      return loadByExpert.map((load, e) => [`layer_${layer}/causal_share_${e}`, load / total]);
    }),
  );
}
