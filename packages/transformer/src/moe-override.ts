/**
 * Mixtures of experts in models whose family has none, or other routers than the family's: the key `spectra_moe` of
 * `config.json`. What it leaves out is the family's.
 */
import { z } from 'zod';
import type { Architecture, MoeShape } from './architecture.ts';
import type { ConfigFile } from './config-file.ts';
import { expertGroups, routerConfigSchema } from './router-config.ts';

const positiveInteger = z.int().positive();

export const moeOverrideSchema = z.strictObject({
  format_version: z.literal(1).default(1).describe('Counts changes of this object.'),
  experts: positiveInteger.optional().describe('E, routed experts per layer.'),
  k: positiveInteger.optional().describe('Experts per token.'),
  intermediate_size: positiveInteger.optional().describe('Inner width of one expert.'),
  layers: z.array(z.int().nonnegative()).optional().describe('Layers that are mixtures of experts.'),
  shared_intermediate_size: positiveInteger
    .optional()
    .describe('Inner width of the network that every token passes; none by default.'),
  copies: positiveInteger
    .optional()
    .describe(
      'Consecutive copies of each expert, which the router scores as one and which share its gate; 1 by default.',
    ),
  scale: z.number().positive().optional().describe('ρ, factor on the sum of the routed experts.'),
  router: routerConfigSchema.optional().describe('How tokens find their experts.'),
});
export type MoeOverride = z.infer<typeof moeOverrideSchema>;
export type MoeOverrideInput = z.input<typeof moeOverrideSchema>;

/** The key of `config.json`. */
export const MOE_OVERRIDE = 'spectra_moe';

/** The architecture with what the file's `spectra_moe` says; `CONFIG_INVALID` where that is no mixture of experts. */
export function overrideMoe(architecture: Architecture, value: unknown, file: ConfigFile): Architecture {
  const parsed = moeOverrideSchema.safeParse(value);
  if (!parsed.success) throw file.invalid(`${MOE_OVERRIDE}: ${z.prettifyError(parsed.error)}`);
  const given = parsed.data;
  const { dense, moe: base, layers } = architecture;
  const need = <T>(key: keyof MoeOverride, found: T | undefined): T => {
    if (found === undefined) throw file.invalid(`${MOE_OVERRIDE}: ${key} is missing.`);
    return found;
  };
  const shared =
    given.shared_intermediate_size === undefined
      ? base?.shared
      : { intermediate: given.shared_intermediate_size, gated: false };
  const moe: MoeShape = {
    experts: need('experts', given.experts ?? base?.experts),
    k: need('k', given.k ?? base?.k),
    intermediate: need('intermediate_size', given.intermediate_size ?? base?.intermediate),
    activation: base?.activation ?? dense.activation,
    bias: base?.bias ?? dense.bias,
    limit: base?.limit,
    shared,
    copies: given.copies ?? 1,
    scale: given.scale ?? base?.scale ?? 1,
    router: need('router', given.router ?? base?.router),
    initializerStd: base?.initializerStd ?? 0.02,
  };
  checkMoe(moe, file);
  const wrong = given.layers?.find(layer => layer >= layers.length);
  if (wrong !== undefined) throw file.invalid(`${MOE_OVERRIDE}: there is no layer ${wrong}.`);
  return {
    ...architecture,
    moe,
    layers: layers.map((layer, i) => ({ ...layer, sparse: given.layers?.includes(i) ?? layer.sparse })),
  };
}

function checkMoe({ experts, k, copies = 1, router }: MoeShape, file: ConfigFile): void {
  if (k > experts) throw file.invalid(`${MOE_OVERRIDE}: k ${k} is more than the ${experts} experts.`);
  const groups = expertGroups(router);
  const unit = copies * groups;
  if (experts % unit !== 0 || k % unit !== 0) {
    throw file.invalid(
      `${MOE_OVERRIDE}: experts ${experts} and k ${k} must be multiples of the router's groups ${groups} times the copies ${copies}.`,
    );
  }
}
