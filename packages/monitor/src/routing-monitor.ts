/** Streaming metrics of routing decisions, over any number of batches and layers. */
import { checkValue, SpectraError } from '@spectra/tensor';
import { LayerAccumulator } from './layer-accumulator.ts';
import { overallReport, type RoutingReport } from './layer-report.ts';
import type { Assignment } from './metrics/assignment.ts';
import type { Hidden } from './metrics/centroid.ts';

export interface MonitorOptions {
  /** E, of every layer. */
  readonly experts: number;
  /** k, where a router's slots per token are not k (expert choice); default: the observed slots. */
  readonly expertsPerToken?: number;
  /** Expert groups of a granular model; default 1. */
  readonly groups?: number;
  /** Names of the domains that `Observation.domains` indexes. */
  readonly domains?: readonly string[];
  /** Of the token sample behind the silhouette; default 0. */
  readonly seed?: number;
  /** Tokens in that sample, per layer; default 2,048. */
  readonly reservoir?: number;
}

export interface ResolvedMonitorOptions {
  readonly experts: number;
  readonly expertsPerToken: number | undefined;
  readonly groups: number;
  readonly domains: readonly string[];
  readonly seed: number;
  readonly reservoir: number;
}

/** One layer's decisions for one batch of whole sequences; N = B·S tokens in row-major order of [B,S]. */
export interface Observation extends Assignment {
  readonly layer: number;
  /** S */
  readonly sequenceLength: number;
  /** [N,slots] gates, 0 where the index is −1; for the confidence. */
  readonly weights?: ArrayLike<number> | undefined;
  /** [N,E] routing distribution; for the routing entropy. */
  readonly probabilities?: ArrayLike<number> | undefined;
  /** [N]; for the expert overlap. */
  readonly tokenIds?: ArrayLike<number> | undefined;
  /** [N] indices into `MonitorOptions.domains`, negative for no label; for affinity, purity, mutual information. */
  readonly domains?: ArrayLike<number> | undefined;
  /** [N,width] what the router read; for centroid orthogonality and silhouette. */
  readonly hidden?: Hidden | undefined;
  /** [N] document ids of packed sequences; neighbours in different documents are no neighbours. */
  readonly documents?: ArrayLike<number> | undefined;
  /** [E,D] of this batch, a mean over its tokens; for the Gram metrics. */
  readonly expertVectors?: ArrayLike<number> | undefined;
}

/**
 * Feed it every batch of a split, layer by layer, then ask for the report. Memory does not grow with the number of
 * batches: sums, counts (those of token types up to the vocabulary) and one reservoir of tokens per layer. However
 * the same sequences are cut into batches, the report is the same, but for the rounding of `expertVectors`, which
 * come as means.
 */
export class RoutingMonitor {
  readonly #options: ResolvedMonitorOptions;
  readonly #layers = new Map<number, LayerAccumulator>();
  /** The layer whose last observation threw half-way. */
  #broken: number | undefined;

  constructor(options: MonitorOptions) {
    const where = 'RoutingMonitor';
    const { experts, expertsPerToken, groups = 1, domains = [], seed = 0, reservoir = 2048 } = options;
    checkValue(
      Number.isInteger(experts) && experts > 0,
      `experts must be a positive integer, got ${experts}.`,
      where,
    );
    checkValue(
      Number.isInteger(groups) && groups > 0 && experts % groups === 0,
      `${experts} experts are not divisible into ${groups} groups.`,
      where,
    );
    this.#options = { experts, expertsPerToken, groups, domains, seed, reservoir };
  }

  /**
   * Counts one layer of one batch; arrays are read, not kept. Throws `VALUE` for wrong lengths or indices, after which
   * the layer's sums are void: the monitor refuses to go on with them.
   */
  observe(observation: Observation): void {
    const { layer } = observation;
    checkValue(
      Number.isInteger(layer) && layer >= 0,
      `layer must be an integer ≥ 0, got ${layer}.`,
      'RoutingMonitor.observe',
    );
    this.#checkSound();
    let accumulator = this.#layers.get(layer);
    if (accumulator === undefined) {
      accumulator = new LayerAccumulator(this.#options);
      this.#layers.set(layer, accumulator);
    }
    this.#broken = layer;
    accumulator.add(observation);
    this.#broken = undefined;
  }

  #checkSound(): void {
    checkValue(
      this.#broken === undefined,
      `an observation of layer ${this.#broken} failed, so its sums are incomplete.`,
      'RoutingMonitor',
      'call reset() and observe again.',
    );
  }

  /** All metrics so far. Throws `VALUE` where nothing was observed. */
  report(): RoutingReport {
    this.#checkSound();
    if (this.#layers.size === 0) {
      throw new SpectraError('VALUE', {
        message: 'nothing was observed yet.',
        where: 'RoutingMonitor.report',
      });
    }
    const layers = [...this.#layers]
      .sort(([a], [b]) => a - b)
      .map(([layer, accumulator]) => accumulator.report(layer));
    return { experts: this.#options.experts, layers, overall: overallReport(layers) };
  }

  /** Forgets all batches. */
  reset(): void {
    this.#layers.clear();
    this.#broken = undefined;
  }
}
