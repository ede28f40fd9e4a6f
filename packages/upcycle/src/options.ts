/** How a dense model becomes a mixture of experts. */
import { checkValue } from '@spectra/tensor';
import type { RouterConfig } from '@spectra/transformer';

/**
 * `copy`: every expert is the MLP (Komatsuzaki et al. 2023, sparse upcycling). `granular`: the width in S parts, R
 * replicas of each (He et al. 2024). `drop`: copies with a share of the units drawn anew (Nakamura et al. 2025).
 */
export type UpcycleMode = 'copy' | 'granular' | 'drop';

/**
 * A network that every token passes, made of the MLP, too. `half`: it and the routed experts each contribute ½.
 * `zero`: it contributes all, the routed experts' down projections begin at 0.
 */
export type SharedStart = 'none' | 'half' | 'zero';

export interface UpcycleOptions {
  readonly mode: UpcycleMode;
  /** E, for `copy` and `drop`; 8 by default. `granular` has S·R. */
  readonly experts?: number;
  /** S, for `granular`; 2 by default. */
  readonly parts?: number;
  /** R, replicas of each part, for `granular`; 4 by default. */
  readonly replicas?: number;
  /** Experts per token; of `granular` replicas of each part per token. 2 by default, 1 for `granular`. */
  readonly active?: number;
  /** One of ours, or the published one of the mixture-of-experts family that belongs to the dense one. */
  readonly router: RouterConfig | 'family';
  /** `none` by default, `half` where the family has a shared expert in any case (qwen2_moe). */
  readonly shared?: SharedStart;
  /** Layers that become mixtures of experts; by default all from `firstDense` on. */
  readonly layers?: readonly number[];
  /** Layers from below that stay dense; 0 by default. */
  readonly firstDense?: number;
  /** Noise on the experts' weights: its standard deviation over theirs; 0 by default. */
  readonly noise?: number;
  /** For `drop`: the share of units drawn anew; 0.5 by default. */
  readonly drop?: number;
  /** Of fresh routers, noise and dropped units; 0 by default. */
  readonly seed?: number;
}

/** `expand`: a mixture of E experts becomes one of 2E. */
export type ConversionOptions = UpcycleOptions | { readonly mode: 'expand' };

/** The same, resolved and checked. */
export interface Resolved {
  readonly mode: UpcycleMode;
  /** S; 1 but for `granular`. */
  readonly parts: number;
  readonly experts: number;
  readonly k: number;
  /** Width of an expert. */
  readonly width: number;
  readonly layers: readonly number[];
  readonly noise: number;
  readonly drop: number;
  readonly seed: number;
  readonly router: RouterConfig | 'family';
}

/** Errors: `VALUE`. `intermediate` is the dense width, `depth` the number of layers. */
export function resolveOptions(options: UpcycleOptions, intermediate: number, depth: number): Resolved {
  const where = 'upcycle';
  const granular = options.mode === 'granular';
  const whole = (value: number, name: string, least = 1): number => {
    checkValue(
      Number.isSafeInteger(value) && value >= least && value <= 1e6,
      `${name} is ${value}, it must be a whole number from ${least} to a million.`,
      where,
    );
    return value;
  };
  const within = (value: number, name: string, most: number): number => {
    checkValue(value >= 0 && value <= most, `${name} is ${value}, it must be from 0 to ${most}.`, where);
    return value;
  };
  const parts = granular ? whole(options.parts ?? 2, 'parts') : 1;
  const replicas = granular
    ? whole(options.replicas ?? 4, 'replicas')
    : whole(options.experts ?? 8, 'experts');
  const active = whole(options.active ?? (granular ? 1 : Math.min(2, replicas)), 'active');
  checkValue(
    active <= replicas,
    `${active} active of ${replicas} ${granular ? 'replicas' : 'experts'} cannot be chosen.`,
    where,
  );
  checkValue(
    intermediate % parts === 0,
    `the width ${intermediate} cannot be split into ${parts} equal parts.`,
    where,
    `Its divisors are ${divisors(intermediate).join(', ')}.`,
  );
  const firstDense = whole(options.firstDense ?? 0, 'firstDense', 0);
  const layers =
    options.layers ?? Array.from({ length: Math.max(0, depth - firstDense) }, (_, i) => firstDense + i);
  const wrong = layers.find(layer => !Number.isSafeInteger(layer) || layer < 0 || layer >= depth);
  checkValue(wrong === undefined, `there is no layer ${wrong}, only 0 to ${depth - 1}.`, where);
  checkValue(layers.length > 0, 'no layer would become a mixture of experts.', where);
  checkValue(new Set(layers).size === layers.length, 'a layer is named twice.', where);
  return {
    mode: options.mode,
    parts,
    experts: parts * replicas,
    k: parts * active,
    width: intermediate / parts,
    layers: [...layers].sort((a, b) => a - b),
    noise: within(options.noise ?? 0, 'noise', 100),
    drop: options.mode === 'drop' ? within(options.drop ?? 0.5, 'drop', 1) : 0,
    seed: whole(options.seed ?? 0, 'seed', 0),
    router: options.router,
  };
}

export function divisors(n: number): number[] {
  const low = Array.from({ length: Math.floor(Math.sqrt(n)) }, (_, i) => i + 1).filter(d => n % d === 0);
  return [...new Set([...low, ...low.map(d => n / d).reverse()])];
}
