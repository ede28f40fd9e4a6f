/** Every option of the SPECTRA router, as data; each ablation is a value of one of them. */
import type { SpectraRouterOptions } from '@spectra/gru-router';
import { SpectraError } from '@spectra/tensor';
import { z } from 'zod';

const positiveInteger = z.int().positive();
const weight = z.number().nonnegative();
const momentum = z.number().min(0).lt(1);

export const spectraRouterSchema = z.strictObject({
  kind: z.literal('spectra').optional().default('spectra'),
  router_dim: positiveInteger.default(16).describe('D, width of routing vectors and expressions.'),
  state_size: positiveInteger.default(32).describe('G, width of the recurrent state.'),
  recurrence: z
    .enum(['grid', 'sequence', 'depth', 'none'])
    .default('grid')
    .describe(
      "A token's context: earlier positions of the layer (sequence), the layers below (depth), both (grid), or itself alone (none).",
    ),
  sharing: z
    .enum(['per-layer', 'global'])
    .default('per-layer')
    .describe(
      "'global': one set of weights for all layers, told apart by a learned depth embedding; prices stay per layer.",
    ),
  expression: z
    .enum(['projector', 'embedding'])
    .default('projector')
    .describe("Expressions: the token's orthogonal projection, or one learned vector per expert."),
  orthogonalise: z
    .enum(['init', 'newton-schulz'])
    .default('init')
    .describe('Whether the projector is orthogonal at the start only or made so at each use.'),
  newton_schulz_steps: positiveInteger.default(5).describe('Newton–Schulz steps at each use.'),
  epsilon: z
    .number()
    .positive()
    .default(0.2)
    .describe('ε, temperature of the transport plan, in units of the cost.'),
  iterations: z.int().nonnegative().default(3).describe('Sinkhorn steps; 0 leaves softmax(−C/ε).'),
  tolerance: z.number().positive().optional().describe('Stops Sinkhorn early at this column error.'),
  sinkhorn_gradient: z
    .enum(['unrolled', 'detached', 'implicit'])
    .default('unrolled')
    .describe(
      'Gradient of the plan: through the iterations, through the last row step only, or that of the converged plan.',
    ),
  sinkhorn_domain: z
    .enum(['log', 'scaling'])
    .optional()
    .describe('What Sinkhorn iterates on: logarithms (the default) or scalings, the same plan.'),
  warm_start: z.boolean().default(true).describe('Starts Sinkhorn from the potentials of the last step.'),
  adaptive_temperature: z
    .boolean()
    .default(false)
    .describe('ε·(1 + min(average CV of the load, cv_max)) in place of ε.'),
  cv_max: weight.default(1).describe('Bound of the adaptive temperature.'),
  selection: z
    .enum(['quota', 'top-k'])
    .default('quota')
    .describe("Selection under balance 'batch'; the causal modes take the top k."),
  alpha: z
    .number()
    .positive()
    .default(1)
    .describe('Capacity factor of the quota: an expert takes at most α·N·k/E tokens.'),
  groups: positiveInteger.default(1).describe('Equal groups of consecutive experts, each routed alone.'),
  gates: z
    .enum(['plan', 'cost'])
    .default('plan')
    .describe('Gates from P, or from softmax(−C/ε), so that prices only select.'),
  price: z
    .enum(['assignment', 'sinkhorn'])
    .default('assignment')
    .describe('The causal price: of the k-assignment itself, or the average of ε·g.'),
  price_rate: z.number().positive().default(0.02).describe('Step size η of the assignment price.'),
  price_steps: positiveInteger.default(3).describe('Price steps per optimizer step.'),
  price_momentum: momentum.default(0.95).describe('Of the averaged price that evaluation and decoding use.'),
  momentum: momentum.default(0.99).describe('Of the averages of expressions, potentials and CV.'),
  lambda: weight.default(0.5).describe('λ of the repulsion between similar experts in the cost.'),
  beta: weight.default(0.5).describe('β of the hinge on over-confident scores.'),
  tau: weight.default(0.7).describe('τ, score from which the hinge acts.'),
  loss_weights: z
    .strictObject({
      entropy: weight.default(1e-3).describe('λ_H on the mean entropy of P.'),
      orthogonality: weight.default(0.03).describe("λ_O on the distance of the experts' Gram matrix to I."),
      speciality: weight.default(0.01).describe('λ_S on the mean squared overlap of routing vectors.'),
      z: weight.default(0).describe('λ_Z on the squared log-partition of the cost.'),
    })
    .prefault({})
    .describe('Weights of the router losses.'),
  orthogonality_warmup: z
    .int()
    .nonnegative()
    .default(100)
    .describe('Steps over which the orthogonality loss comes in.'),
});
export type SpectraRouterConfig = z.infer<typeof spectraRouterSchema>;

/** The configuration of a SPECTRA router, with defaults for what is not given; `CONFIG_INVALID`, which names the key. */
export function spectra(
  options: Omit<z.input<typeof spectraRouterSchema>, 'kind'> = {},
): SpectraRouterConfig {
  const parsed = spectraRouterSchema.safeParse({ ...options, kind: 'spectra' });
  if (parsed.success) return parsed.data;
  throw new SpectraError('CONFIG_INVALID', { message: z.prettifyError(parsed.error), where: 'spectra' });
}

/** The same in the router's own words. */
export function spectraRouterOptions(
  config: SpectraRouterConfig,
): Omit<SpectraRouterOptions, 'hidden' | 'experts' | 'k'> {
  return {
    routerDim: config.router_dim,
    stateSize: config.state_size,
    recurrence: config.recurrence,
    expression: config.expression,
    orthogonalise: config.orthogonalise,
    newtonSchulzSteps: config.newton_schulz_steps,
    epsilon: config.epsilon,
    iterations: config.iterations,
    tolerance: config.tolerance,
    sinkhornGradient: config.sinkhorn_gradient,
    sinkhornDomain: config.sinkhorn_domain,
    warmStart: config.warm_start,
    adaptiveTemperature: config.adaptive_temperature,
    cvMax: config.cv_max,
    selection: config.selection,
    alpha: config.alpha,
    groups: config.groups,
    gates: config.gates,
    price: config.price,
    priceRate: config.price_rate,
    priceSteps: config.price_steps,
    priceMomentum: config.price_momentum,
    momentum: config.momentum,
    lambda: config.lambda,
    beta: config.beta,
    tau: config.tau,
    lossWeights: config.loss_weights,
    orthogonalityWarmup: config.orthogonality_warmup,
  };
}
