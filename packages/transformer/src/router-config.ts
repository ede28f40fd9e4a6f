/** Every router that a model may have, as data: SPECTRA's and the published ones it is compared with. */
import { GATE_ORTHOGONALITY, GATE_SCORES } from '@spectra/routing';
import { z } from 'zod';
import { spectraRouterSchema } from './spectra-router-config.ts';

const positiveInteger = z.int().positive();
const weight = z.number().nonnegative();
const momentum = z.number().min(0).lt(1);

const balanceLoss = weight.describe('Weight of the load-balancing loss (Fedus 2021).');
const zLoss = weight.default(0).describe('Weight of the squared log-partition (Zoph 2022).');
const gatesSumToOne = z
  .boolean()
  .optional()
  .describe('Whether the k gates are made to sum to 1; by default for k ≥ 2.');

/** Softmax over a linear gate and the k best: Switch for k = 1, Mixtral for k ≥ 2. */
const softmaxTopKRouterSchema = z.strictObject({
  kind: z.literal('softmax-topk'),
  normalise: gatesSumToOne,
  balance_loss: balanceLoss.default(0.01),
  z_loss: zLoss,
});

/** The linear-gate routers of published models, by their options; see `TopKRouter`. */
const topKRouterSchema = z.strictObject({
  kind: z.literal('topk'),
  scores: z.enum(GATE_SCORES).default('softmax').describe('What a logit becomes before experts are chosen.'),
  bias: z.boolean().default(false).describe('Whether logits have a learned bias.'),
  correction: z
    .boolean()
    .default(false)
    .describe('A bias per expert that counts in choosing only and balances without a loss (DeepSeek-V3).'),
  correction_rate: weight.default(0.001).describe('What a step moves the correction by.'),
  groups: positiveInteger.default(1).describe('Equal consecutive groups of experts.'),
  kept_groups: positiveInteger.default(1).describe('Groups that a token may choose from: its best.'),
  group_top: positiveInteger
    .default(2)
    .describe('How many of its best scores a group counts by; more where experts have copies.'),
  normalise: gatesSumToOne,
  scale: z.number().positive().default(1).describe('Factor on the gates.'),
  balance_loss: balanceLoss.default(0),
  sequence_loss: weight.default(0).describe('Weight of the same within each sequence (DeepSeek-V3).'),
  z_loss: zLoss,
  orthogonality_loss: weight.default(0).describe("Weight of the loss that draws the gate's rows apart."),
  orthogonality: z
    .enum(GATE_ORTHOGONALITY)
    .default('simbal')
    .describe("Its form: Σ|WWᵀ − I| ('simbal') or the mean of (ŴŴᵀ − I)² ('ernie')."),
});

const topK = topKRouterSchema.shape;

/** Sigmoid scores, a correction bias in place of a loss, and a small loss within sequences (DeepSeek-V3 2024). */
const deepseekV3RouterSchema = topKRouterSchema.extend({
  kind: z.literal('deepseek-v3'),
  scores: topK.scores.default('sigmoid'),
  correction: topK.correction.default(true),
  sequence_loss: topK.sequence_loss.default(1e-4),
});

/** No balancing loss, but rows that stay orthonormal, as they begin (Omi et al. 2025, SimBal). */
const simbalRouterSchema = topKRouterSchema.extend({
  kind: z.literal('simbal'),
  orthogonality_loss: topK.orthogonality_loss.default(0.1),
});

/** Softmax with a correction bias, balance and z-loss, and normalised rows drawn apart (ERNIE 4.5, 2025). */
const ernieRouterSchema = topKRouterSchema.extend({
  kind: z.literal('ernie'),
  correction: topK.correction.default(true),
  balance_loss: balanceLoss.default(0.01),
  z_loss: zLoss.default(1e-4),
  orthogonality_loss: topK.orthogonality_loss.default(0.01),
  orthogonality: topK.orthogonality.default('ernie'),
});

/** Experts choose tokens (Zhou 2022); causally, tokens above each expert's usual threshold. */
const expertChoiceRouterSchema = z.strictObject({
  kind: z.literal('expert-choice'),
  capacity_factor: z.number().positive().default(1).describe('Tokens per expert over the even share N·k/E.'),
  rho: momentum.default(0.99).describe("Momentum of the thresholds' averages."),
});

/** Sinkhorn and top-k under balance 'batch', plain top-k otherwise (Clark 2022, S-BASE). */
const sinkhornRouterSchema = z.strictObject({
  kind: z.literal('s-base'),
  temperature: z.number().positive().default(1).describe('Divides the logits in the transport.'),
  iterations: positiveInteger.default(30).describe('The most Sinkhorn steps.'),
  tolerance: z.number().positive().default(1e-3).describe('Column error at which they stop.'),
  z_loss: zLoss,
});

/** A price per expert from the quantiles of each step's scores (Su 2026, Quantile Balancing). */
const quantileRouterSchema = z.strictObject({
  kind: z.literal('quantile'),
  momentum: momentum.default(0).describe('Share of the old price that stays at a step.'),
  normalise: gatesSumToOne,
  z_loss: zLoss,
});

/** Cosine scores in a low dimension (Chi 2022, X-MoE). */
const cosineRouterSchema = z.strictObject({
  kind: z.literal('cosine'),
  dimension: positiveInteger.optional().describe('D; by default half the experts, at least 2.'),
  temperature: z.number().min(0.01).default(0.3).describe('The initial τ, which is learned.'),
  normalise: gatesSumToOne,
  balance_loss: balanceLoss.default(0.01),
  z_loss: zLoss,
});

/** Softmax top-k on the state of one GRU that runs over layers (Qiu et al. 2025, RMoE). */
const rmoeRouterSchema = z.strictObject({
  kind: z.literal('rmoe'),
  state_size: positiveInteger.default(128).describe('Width of projection and state.'),
  normalise: gatesSumToOne,
  balance_loss: balanceLoss.default(0.01),
  z_loss: zLoss,
});

/** The control of SPECTRA's context: softmax top-k on the state of SPECTRA's recurrence. */
const gruSwitchRouterSchema = z.strictObject({
  kind: z.literal('gru-switch'),
  state_size: spectraRouterSchema.shape.state_size,
  recurrence: spectraRouterSchema.shape.recurrence,
  sharing: spectraRouterSchema.shape.sharing,
  normalise: gatesSumToOne,
  balance_loss: balanceLoss.default(0.01),
  z_loss: zLoss,
});

const seed = z
  .int()
  .nonnegative()
  .default(0)
  .describe(
    'What the choice is drawn from; apart from the seed of the weights, so that a loaded model keeps it.',
  );

/** A fixed random hash of the token (Roller 2021). */
const hashRouterSchema = z.strictObject({ kind: z.literal('hash'), seed });

/** Uniformly drawn experts, anew in each step (Zuo 2022, THOR). */
const randomRouterSchema = z.strictObject({ kind: z.literal('random'), seed });

export const routerConfigSchema = z.discriminatedUnion('kind', [
  spectraRouterSchema,
  softmaxTopKRouterSchema,
  topKRouterSchema,
  deepseekV3RouterSchema,
  simbalRouterSchema,
  ernieRouterSchema,
  expertChoiceRouterSchema,
  sinkhornRouterSchema,
  quantileRouterSchema,
  cosineRouterSchema,
  rmoeRouterSchema,
  gruSwitchRouterSchema,
  hashRouterSchema,
  randomRouterSchema,
]);
export type RouterConfig = z.infer<typeof routerConfigSchema>;
export type RouterKind = RouterConfig['kind'];

const PRESETS = ['topk', 'deepseek-v3', 'simbal', 'ernie'] as const;
/** The kinds that are a `TopKRouter`. */
export type TopKRouterConfig = Extract<RouterConfig, { kind: (typeof PRESETS)[number] }>;

/** Groups of experts in which plan, choice and gates are each group's own; only SPECTRA's router has several. */
export const expertGroups = (router: RouterConfig): number => (router.kind === 'spectra' ? router.groups : 1);

export function isTopK(router: RouterConfig): router is TopKRouterConfig {
  return (PRESETS as readonly string[]).includes(router.kind);
}
