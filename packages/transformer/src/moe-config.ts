/** Mixture-of-experts layers and their routers, as data. */
import { z } from 'zod';
import { expertGroups, isTopK, routerConfigSchema, type TopKRouterConfig } from './router-config.ts';

const positiveInteger = z.int().positive();

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
    const groups = expertGroups(router);
    if (experts % groups !== 0 || k % groups !== 0) {
      issue(['router', 'groups'], `experts ${experts} and k ${k} must be multiples of groups ${groups}.`);
    }
    if (isTopK(router) && !canChoose(router, experts, k)) {
      const { groups: all, kept_groups: kept } = router;
      issue(
        ['router', 'kept_groups'],
        `${k} experts cannot be chosen from ${kept} of ${all} groups of ${experts}.`,
      );
    }
    if (isTopK(router) && router.scores === 'raw' && router.normalise === false) {
      issue(['router', 'normalise'], 'raw scores are no gates: they need it.');
    }
  });
export type MoeConfig = z.infer<typeof moeConfigSchema>;

function canChoose({ groups, kept_groups: kept }: TopKRouterConfig, experts: number, k: number): boolean {
  return experts % groups === 0 && kept <= groups && (experts / groups) * kept >= k;
}
