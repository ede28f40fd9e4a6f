/** Mixture-of-experts layers and their routers, as data. */
import { z } from 'zod';

const positiveInteger = z.int().positive();
const weight = z.number().nonnegative();

/** SPECTRA: recurrent routing vectors, orthogonal expressions, repulsion in the cost, Sinkhorn balance. */
export const spectraRouterSchema = z.strictObject({
  kind: z.literal('spectra'),
  router_dim: positiveInteger.default(16).describe('D, width of routing vectors and expressions.'),
  state_size: positiveInteger.default(32).describe('G, width of the GRU state.'),
  recurrence: z
    .enum(['grid', 'sequence', 'depth'])
    .default('grid')
    .describe(
      "Where the GRU's state comes from: earlier positions and the layer below (grid), either alone otherwise.",
    ),
  sharing: z
    .enum(['per-layer', 'global'])
    .default('per-layer')
    .describe("'global': one set of weights for all layers, told apart by a learned depth embedding."),
  epsilon: z
    .number()
    .positive()
    .default(0.2)
    .describe('ε, temperature of the transport plan, in units of the cost.'),
  groups: positiveInteger.default(1).describe('Equal groups of consecutive experts, routed independently.'),
});

/** Softmax over a linear gate, the top k; Switch Transformer's auxiliary loss. */
export const softmaxTopKRouterSchema = z.strictObject({
  kind: z.literal('softmax-topk'),
  auxiliary_loss: weight.default(0.01).describe('Weight of the load-balancing loss.'),
});

/** Experts choose tokens (Zhou et al. 2022). */
export const expertChoiceRouterSchema = z.strictObject({
  kind: z.literal('expert-choice'),
  capacity_factor: z.number().positive().default(1).describe('Slots per expert over the even share.'),
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
    router: routerConfigSchema.prefault({ kind: 'spectra' }),
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
