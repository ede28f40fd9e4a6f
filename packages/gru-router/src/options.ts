/** What a SPECTRA router can be told. Every ablation is a value of one of these, not another code path. */
import type { SinkhornGradient } from '@spectra/sinkhorn';
import { checkValue } from '@spectra/tensor';
import { LOSS_WEIGHTS, type LossWeights } from './losses.ts';

/**
 * Where a token's context comes from. `sequence`: the positions before it in the same layer. `depth`: the same
 * token in the layers below. `grid`: both. `none` (−GRU): the token alone, h = tanh(W x + b).
 */
export type Recurrence = 'grid' | 'sequence' | 'depth' | 'none';

/** The shape of the learned part: what `SpectraRouterParameters` needs. */
export interface SpectraRouterShape {
  /** H, the width of the hidden states. */
  readonly hidden: number;
  /** E */
  readonly experts: number;
  /** D, the width of routing and expression vectors; 16. */
  readonly routerDim?: number;
  /** G, the width of the recurrent state; 32. */
  readonly stateSize?: number;
  /** `grid` */
  readonly recurrence?: Recurrence;
  /**
   * `projector`: X_te is the token's orthogonal projection (default). `embedding` (−Expression): a learned vector
   * per expert, the same for every token.
   */
  readonly expression?: 'projector' | 'embedding';
  /** `newton-schulz` maps the projector's weight to the nearest semi-orthogonal one at each use; `init`. */
  readonly orthogonalise?: 'init' | 'newton-schulz';
  /** 5 */
  readonly newtonSchulzSteps?: number;
  /** L: a learned embedding per layer is added to the recurrence's input; for parameters that layers share. */
  readonly depthEmbedding?: number;
}

/** How routes are made; see the field's own words for defaults. */
export interface SpectraRouterOptions extends SpectraRouterShape {
  /** Experts per token. */
  readonly k: number;
  /** ε in units of the cost; 0.2. */
  readonly epsilon?: number;
  /** Sinkhorn steps; 3. With 0 (−Sinkhorn) P is softmax(−C/ε) and no transport balances it. */
  readonly iterations?: number;
  /** Stops Sinkhorn early at this column error; none by default. */
  readonly tolerance?: number | undefined;
  /** `unrolled` */
  readonly sinkhornGradient?: SinkhornGradient;
  /** Whether Sinkhorn's steps are taken on logarithms (its default) or on scalings. */
  readonly sinkhornDomain?: 'log' | 'scaling' | undefined;
  /** ε·(1 + min(cvEma, cvMax)) in place of ε; false. */
  readonly adaptiveTemperature?: boolean;
  /** 1 */
  readonly cvMax?: number;
  /** Starts Sinkhorn from the potentials of the last step; true. */
  readonly warmStart?: boolean;
  /** What γ of `potentials` is: the price of the k-assignment (default), or the average of ε·g. */
  readonly price?: 'assignment' | 'sinkhorn';
  /** η of η_i = η/√i, 0.02, and how many such steps a batch makes, 3. */
  readonly priceRate?: number;
  readonly priceSteps?: number;
  /** Gates are P over the chosen (default), or softmax(−C/ε), so that prices and the transport only select. */
  readonly gates?: 'plan' | 'cost';
  /** In `batch` mode; the causal modes take the top k. `quota` by default, `top-k` is −Quota. */
  readonly selection?: 'quota' | 'top-k';
  /** Capacity factor of `quota`; 1. */
  readonly alpha?: number;
  /** m equal consecutive groups of experts, each routed alone; 1. */
  readonly groups?: number;
  /** λ of the repulsion, 0.5; 0 is −Repulsion. */
  readonly lambda?: number;
  /** β of the hinge, 0.5; 0 is −Hinge. */
  readonly beta?: number;
  /** τ of the hinge, 0.7. */
  readonly tau?: number;
  /** Loss weights; `speciality: 0` is −Speciality, `orthogonality: 0` is −Ortho. */
  readonly lossWeights?: Partial<LossWeights>;
  /** Steps over which the orthogonality term is warmed up; 100. */
  readonly orthogonalityWarmup?: number;
  /** ρ of the averages of mean_t X, ε·g and the load's CV; 0.99. */
  readonly momentum?: number;
  /** ρ of γ̄, the averaged price that evaluation and decoding use; 0.95. */
  readonly priceMomentum?: number;
}

type Complete<T, Optional extends keyof T = never> = {
  readonly [K in keyof T as K extends Optional ? never : K]-?: T[K];
} & Pick<T, Optional>;

export type ResolvedShape = Complete<SpectraRouterShape, 'depthEmbedding'>;
export type ResolvedOptions = Complete<
  Omit<SpectraRouterOptions, 'lossWeights'>,
  'tolerance' | 'sinkhornDomain' | 'depthEmbedding'
> & { readonly lossWeights: LossWeights };

/** Fills in the defaults. @throws VALUE */
export function resolveShape(shape: SpectraRouterShape): ResolvedShape {
  const resolved = {
    routerDim: 16,
    stateSize: 32,
    recurrence: 'grid' as const,
    expression: 'projector' as const,
    orthogonalise: 'init' as const,
    newtonSchulzSteps: 5,
    ...shape,
  };
  for (const key of ['hidden', 'experts', 'routerDim', 'stateSize', 'newtonSchulzSteps'] as const) {
    const value = resolved[key];
    checkValue(Number.isInteger(value) && value > 0, `${key} is a positive integer, got ${value}.`, WHERE);
  }
  return resolved;
}

/** Fills in the defaults. @throws VALUE */
export function resolveOptions(options: SpectraRouterOptions): ResolvedOptions {
  const { experts, k } = options;
  const resolved = {
    epsilon: 0.2,
    iterations: 3,
    sinkhornGradient: 'unrolled' as const,
    adaptiveTemperature: false,
    cvMax: 1,
    warmStart: true,
    price: 'assignment' as const,
    priceRate: 0.02,
    priceSteps: 3,
    gates: 'plan' as const,
    selection: 'quota' as const,
    alpha: 1,
    groups: 1,
    lambda: 0.5,
    beta: 0.5,
    tau: 0.7,
    orthogonalityWarmup: 100,
    momentum: 0.99,
    priceMomentum: 0.95,
    ...options,
    ...resolveShape(options),
    lossWeights: { ...LOSS_WEIGHTS, ...options.lossWeights },
  };
  const { groups, epsilon, alpha, momentum, priceMomentum } = resolved;
  checkValue(Number.isInteger(k) && k > 0 && k <= experts, `k is of 1 … ${experts}, got ${k}.`, WHERE);
  checkValue(
    Number.isInteger(groups) && groups > 0 && experts % groups === 0 && k % groups === 0,
    `${experts} experts and k = ${k} do not both split into ${groups} groups.`,
    WHERE,
  );
  checkValue(epsilon > 0 && Number.isFinite(epsilon), `epsilon is positive, got ${epsilon}.`, WHERE);
  checkValue(alpha > 0 && Number.isFinite(alpha), `alpha is positive, got ${alpha}.`, WHERE);
  for (const rho of [momentum, priceMomentum]) {
    checkValue(rho >= 0 && rho < 1, `a momentum is in [0, 1), got ${rho}.`, WHERE);
  }
  return resolved;
}

const WHERE = 'SpectraRouter options';
