/**
 * The price of the k-assignment. With γ_e added to every token's score for expert e, the loads of plain top-k become
 * equal at the minimiser of the convex function
 *
 *     F(γ) = Σ_t (sum of the k largest of γ − C_t) − (N·k/E)·Σ_e γ_e,      ∂F/∂γ_e = n_e − N·k/E,
 *
 * n the top-k load under γ. A price from earlier batches makes a causal rule balanced. All on the host, over plain
 * arrays, in a fixed order: the same numbers on every backend.
 */
import { checkValue, SpectraError } from '@spectra/tensor';
import { ema } from './averages.ts';
import { bestOfGroup } from './kernels/reference/top-k.ts';
import { checkChoice, liveRows } from './selection.ts';

/** The costs [N,E] of one micro-batch. */
export interface CostBatch {
  readonly cost: Float32Array;
  /** [N], 1 for a token, 0 for padding, whose costs are not read; none means all tokens. */
  readonly mask?: ArrayLike<number>;
}

export interface AssignmentOptions {
  /** Experts per token, over all groups. */
  readonly k: number;
  /** m equal groups of experts, each with k/m of a token's slots and prices of mean 0; 1 by default. */
  readonly groups?: number;
}

export interface PriceStepOptions extends AssignmentOptions {
  /** Steps per batch; 3 by default. */
  readonly steps?: number;
  /** Step i has length η/√i, in units of the cost; 0.02 by default. */
  readonly eta?: number;
}

/** Top-k loads under a price, over all micro-batches. */
export interface AssignmentLoad {
  /** [E] tokens that chose each expert. */
  readonly load: Float64Array;
  readonly tokens: number;
}

/** The load of the k experts with the highest γ − C (k/m of each group; ties: the lowest expert) of each token. */
export function assignmentLoad(
  costs: readonly CostBatch[],
  price: ArrayLike<number>,
  options: AssignmentOptions,
): AssignmentLoad {
  const experts = price.length;
  const { k, groups = 1 } = options;
  checkChoice(experts, k, groups, 'assignmentLoad');
  const sizes = { tokens: 1, experts, k, groups };
  const load = new Float64Array(experts);
  const scores = new Float64Array(experts);
  const chosen = new Int32Array(k);
  let tokens = 0;
  for (const { cost, mask } of costs) {
    const rows = liveRows(mask, tokensOf(cost, experts, mask));
    tokens += rows.length;
    for (const t of rows) {
      for (let e = 0; e < experts; e++) scores[e] = price[e]! - cost[t * experts + e]!;
      let end = 0;
      for (let g = 0; g < groups; g++) end = bestOfGroup(scores, chosen, 0, g, sizes, end);
      for (let j = 0; j < end; j++) load[chosen[j]!]! += 1;
    }
  }
  return { load, tokens };
}

function tokensOf(cost: Float32Array, experts: number, mask: ArrayLike<number> | undefined): number {
  const tokens = cost.length / experts;
  if (!Number.isInteger(tokens) || (mask !== undefined && mask.length !== tokens)) {
    throw new SpectraError('SHAPE', {
      message: `${cost.length} costs for ${experts} experts${mask === undefined ? '' : ` and ${mask.length} tokens`}.`,
      where: 'assignmentLoad',
    });
  }
  return tokens;
}

/**
 * The price after one optimizer step: γ ← γ − (η/√i)·(n − μ)/μ for i = 1 … steps, μ = N·k/E, each time with mean 0 in
 * every group; n and N are over all micro-batches. A step of fewer than 4·E/k tokens leaves γ as it is. `price` [E] in
 * units of the cost; returns a new array. Arithmetic in float64.
 */
export function assignmentPriceSteps(
  costs: readonly CostBatch[],
  price: ArrayLike<number>,
  options: PriceStepOptions,
): Float32Array<ArrayBuffer> {
  const experts = price.length;
  const { k, groups = 1, steps = 3, eta = 0.02 } = options;
  checkValue(
    Number.isInteger(steps) && steps >= 0,
    `steps must be a whole number, got ${steps}.`,
    'assignmentPriceSteps',
  );
  const gamma = Float64Array.from(price);
  for (let i = 1; i <= steps; i++) {
    const { load, tokens } = assignmentLoad(costs, gamma, { k, groups });
    if (tokens < leastTokens(experts, k)) break;
    const mean = (tokens * k) / experts;
    for (let e = 0; e < experts; e++) gamma[e]! -= (eta / Math.sqrt(i)) * (load[e]! / mean - 1);
    centre(gamma, groups);
  }
  return Float32Array.from(gamma);
}

/** The smallest step that moves a price: 4·E/k tokens, so that every expert would get four. */
export function leastTokens(experts: number, k: number): number {
  return (4 * experts) / k;
}

function centre(gamma: Float64Array, groups: number): void {
  const width = gamma.length / groups;
  for (let g = 0; g < groups; g++) {
    const part = gamma.subarray(g * width, (g + 1) * width);
    const mean = part.reduce((a, b) => a + b, 0) / width;
    for (let e = 0; e < width; e++) part[e]! -= mean;
  }
}

export interface AssignmentPriceOptions extends PriceStepOptions {
  readonly experts: number;
  /** ρ of the average γ̄; 0.95 by default. */
  readonly rho?: number;
}

/**
 * A price carried from step to step: γ for training, and its average γ̄, free of the iterate's noise, for evaluation
 * and decoding.
 */
export class AssignmentPrice {
  readonly options: AssignmentPriceOptions;
  /** γ [E], 0 before any step. */
  price: Float32Array;
  /** γ̄ [E], the EMA of γ set by the first step; none before. */
  average: Float32Array | undefined;

  constructor(options: AssignmentPriceOptions) {
    checkChoice(options.experts, options.k, options.groups ?? 1, 'AssignmentPrice');
    this.options = options;
    this.price = new Float32Array(options.experts);
  }

  /** Moves γ and γ̄ by one optimizer step's micro-batches; too small a step leaves both as they are. `rho` for this step. */
  commit(costs: readonly CostBatch[], rho = this.options.rho ?? 0.95): void {
    const { experts, k } = this.options;
    let tokens = 0;
    for (const { cost, mask } of costs) tokens += liveRows(mask, tokensOf(cost, experts, mask)).length;
    if (tokens < leastTokens(experts, k)) return;
    this.price = assignmentPriceSteps(costs, this.price, this.options);
    this.average = ema(this.average, this.price, rho);
  }
}
