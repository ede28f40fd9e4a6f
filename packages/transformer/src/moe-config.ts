/** Mixture-of-experts layers and their routers, as data. */
import { z } from 'zod';
import { spectraRouterSchema } from './spectra-router-config.ts';

const positiveInteger = z.int().positive();
const weight = z.number().nonnegative();
/** Softmax over a linear gate and the k best: Switch for k = 1, Mixtral for k ≥ 2. */
export const softmaxTopKRouterSchema = z.strictObject({
  kind: z.literal('softmax-topk'),
  normalise: z.boolean().default(true).describe('Whether the k gates are made to sum to 1.'),
  balance_loss: weight.default(0.01).describe('Weight of the load-balancing loss (Fedus 2021).'),
  z_loss: weight.default(0).describe('Weight of the squared log-partition.'),
});

/** Experts choose tokens (Zhou 2022); causally, tokens above each expert's usual threshold. */
export const expertChoiceRouterSchema = z.strictObject({
  kind: z.literal('expert-choice'),
  capacity_factor: z.number().positive().default(1).describe('Tokens per expert over the even share N·k/E.'),
  rho: z.number().min(0).lt(1).default(0.99).describe("Momentum of the thresholds' averages."),
});

export const routerConfigSchema = z.discriminatedUnion('kind', [
  spectraRouterSchema,
  softmaxTopKRouterSchema,
  expertChoiceRouterSchema,
]);
export type RouterConfig = z.infer<typeof routerConfigSchema>;

export const moeConfigSchema = z
  .strictObject({
    experts: positiveInteger.default(8).describe('E, routed experts per layer.'),
    k: positiveInteger.default(2).describe('Experts per token.'),
    intermediate_size: positiveInteger.default(256).describe('Inner width of one SwiGLU expert.'),
    first_dense_layers: z.int().nonnegative().default(0).describe('Layers from below that stay dense.'),
    shared_experts: z
      .int()
      .nonnegative()
      .default(0)
      .describe('Experts that every token passes, as one network of that many times intermediate_size.'),
    scale: z.number().positive().default(1).describe('ρ, factor on the sum of the routed experts.'),
    initializer_std: z
      .number()
      .positive()
      .default(0.03)
      .describe("Standard deviation of the experts' weights."),
    router: routerConfigSchema.prefault({}).describe('How tokens find their experts.'),
  })
  .superRefine(({ experts, k, router }, context) => {
    const issue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (k > experts) issue(['k'], `${k} experts per token, but there are only ${experts}.`);
    const groups = router.kind === 'spectra' ? router.groups : 1;
    if (experts % groups !== 0 || k % groups !== 0) {
      issue(['router', 'groups'], `experts ${experts} and k ${k} must be multiples of groups ${groups}.`);
    }
  });
export type MoeConfig = z.infer<typeof moeConfigSchema>;
