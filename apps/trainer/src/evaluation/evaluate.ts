/** Held-out loss per domain and routing metrics, under the causal decoding rule and under the training rule. */
import {
  fromRouting,
  RoutingMonitor,
  type RoutingObservation,
  type RoutingReport,
  ruleAgreement,
} from '@spectra/monitor';
import type { Balance, Routing } from '@spectra/routing';
import { type DecoderModel, expertGroups } from '@spectra/transformer';
import * as tf from '@tensorflow/tfjs-core';
import { lossOf, maskOf, type TokenArrays } from '../training/micro-batch.ts';
import { nextTurn } from '../training/next-turn.ts';

export interface HeldOutBatch {
  readonly domain: number;
  readonly tokens: TokenArrays;
}

export interface DomainLoss {
  readonly domain: string;
  /** Mean nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  readonly tokens: number;
}

export interface RuleEvaluation {
  readonly balance: Balance;
  readonly domains: readonly DomainLoss[];
  /** Mean of the domains' losses: every domain counts alike. */
  readonly loss: number;
  /** Absent for a dense model. */
  readonly routing?: RoutingReport;
}

export interface Evaluation {
  /** Under `potentials`: what decoding does. This is the loss that is reported. */
  readonly causal: RuleEvaluation;
  /** Under the rule that training used. */
  readonly training: RuleEvaluation;
  /** Mean |A∩A'|/k between the two rules over layers; absent for a dense model. */
  readonly agreement?: number;
}

export interface EvaluateOptions {
  readonly domains: readonly string[];
  readonly trainingBalance: Balance;
  /** Tokens a layer behind the silhouette, whose time grows with their square; 512 by default. */
  readonly reservoir?: number;
  /** Given a batch with every layer's decisions under the causal rule and each token's loss in nats. */
  readonly onCausalBatch?: (
    batch: HeldOutBatch,
    decisions: readonly RoutingObservation[],
    tokenLosses: Float32Array,
  ) => void;
  /** The same under the training rule, where that is another one. */
  readonly onTrainingBatch?: (batch: HeldOutBatch, decisions: readonly RoutingObservation[]) => void;
}

/** Evaluates on the given batches; changes no router state. */
export async function evaluate(
  model: DecoderModel,
  batches: readonly HeldOutBatch[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  const causal = new RuleTally(model, options, 'potentials');
  const training = new RuleTally(model, options, options.trainingBalance);
  const same = options.trainingBalance === 'potentials';
  const agreements: number[] = [];
  for (const batch of batches) {
    await nextTurn();
    const { decisions, tokenLosses } = await causal.add(batch);
    if (decisions.length > 0) options.onCausalBatch?.(batch, decisions, tokenLosses);
    if (same) continue;
    const { decisions: others } = await training.add(batch);
    if (others.length > 0) options.onTrainingBatch?.(batch, others);
    decisions.forEach((decision, layer) => {
      const router = model.routers[layer]!;
      const [ours, theirs] = [decision, others[layer]!].map(d => ({
        ...d,
        weights: d.weights!,
        mask: maskOf(batch.tokens),
      }));
      agreements.push(ruleAgreement(ours!, theirs!, router.experts, model.architecture.moe!.k).agreement);
    });
  }
  return {
    causal: causal.result(),
    training: same ? causal.result() : training.result(),
    ...(agreements.length === 0
      ? {}
      : { agreement: agreements.reduce((a, b) => a + b, 0) / agreements.length }),
  };
}

class RuleTally {
  private readonly model: DecoderModel;
  private readonly names: readonly string[];
  private readonly balance: Balance;
  private readonly sums: { loss: number; tokens: number }[];
  private readonly monitor: RoutingMonitor | undefined;

  constructor(model: DecoderModel, options: EvaluateOptions, balance: Balance) {
    const { domains: names, reservoir = 512 } = options;
    this.model = model;
    this.names = names;
    this.balance = balance;
    this.sums = names.map(() => ({ loss: 0, tokens: 0 }));
    const [router] = model.routers;
    const { moe } = model.architecture;
    this.monitor =
      router === undefined
        ? undefined
        : new RoutingMonitor({
            experts: router.experts,
            domains: names,
            ...(moe === undefined ? {} : { expertsPerToken: moe.k, groups: expertGroups(moe.router) }),
            reservoir,
          });
  }

  async add({
    domain,
    tokens,
  }: HeldOutBatch): Promise<{ decisions: RoutingObservation[]; tokenLosses: Float32Array }> {
    const mask = maskOf(tokens);
    const { losses, routings, inputs } = tf.tidy(() => {
      const out = lossOf(this.model, tokens, { balance: this.balance, training: false, layerOutputs: true });
      return {
        losses: out.tokenLosses,
        routings: out.routings.map(keepForMonitor),
        inputs: [...out.routerInputs],
      };
    });
    const tokenLosses = await losses.data<'float32'>();
    const sum = this.sums[domain]!;
    sum.loss += tokenLosses.reduce((total, loss) => total + loss, 0);
    sum.tokens += tokens.weights.reduce((a, b) => a + b, 0);
    const decisions: RoutingObservation[] = [];
    for (const [layer, routing] of routings.entries()) {
      const decision = await fromRouting(routing as Routing);
      decisions.push(decision);
      const input = inputs[layer]!;
      this.monitor!.observe({
        layer,
        sequenceLength: tokens.length,
        ...decision,
        hidden: { data: await input.data<'float32'>(), width: input.shape[1] },
        mask,
        tokenIds: tokens.inputIds,
        documents: tokens.documents,
        domains: new Int32Array(tokens.inputIds.length).fill(domain),
      });
    }
    tf.dispose([losses, ...inputs, ...routings.map(routing => Object.values(routing))]);
    return { decisions, tokenLosses };
  }

  result(): RuleEvaluation {
    const domains = this.sums.flatMap(({ loss, tokens }, i): DomainLoss[] =>
      tokens === 0
        ? []
        : [{ domain: this.names[i]!, loss: loss / tokens, perplexity: Math.exp(loss / tokens), tokens }],
    );
    return {
      balance: this.balance,
      domains,
      loss: domains.reduce((sum, d) => sum + d.loss, 0) / domains.length,
      ...(this.monitor === undefined ? {} : { routing: this.monitor.report() }),
    };
  }
}

function keepForMonitor({ indices, weights, probabilities, expertVectors }: Routing): Partial<Routing> {
  return { indices, weights, probabilities, ...(expertVectors === undefined ? {} : { expertVectors }) };
}
