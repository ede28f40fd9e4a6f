/** All that is kept of one layer's routes between batches: sums and counts, and a bounded sample of tokens. */
import { checkValue } from '@spectra/tensor';
import type { LayerReport } from './layer-report.ts';
import { checkAssignment, checkLength, countTokens, isToken, RunningMean } from './metrics/assignment.ts';
import { CentroidSums, type Hidden } from './metrics/centroid.ts';
import { Membership } from './metrics/diversity.ts';
import { countDomains, domainMetrics } from './metrics/domain.ts';
import { gramOrthogonality } from './metrics/gram.ts';
import { countLoad, loadMetrics, samplingFloor } from './metrics/load.ts';
import { countTypes, emptyTypeCounts, expertOverlap, type TypeCounts } from './metrics/overlap.ts';
import { Reservoir } from './metrics/reservoir.ts';
import { addSequentialOverlap } from './metrics/sequential.ts';
import { addConfidence, addRoutingEntropy } from './metrics/sharpness.ts';
import { silhouette } from './metrics/silhouette.ts';
import type { Observation, ResolvedMonitorOptions } from './routing-monitor.ts';

const numbersOrNull = (values: Float64Array): (number | null)[] =>
  Array.from(values, value => (Number.isNaN(value) ? null : value));

export class LayerAccumulator {
  readonly #options: ResolvedMonitorOptions;
  readonly #load: Float64Array;
  readonly #membership: Membership;
  readonly #entropy = new RunningMean();
  readonly #confidence = new RunningMean();
  readonly #overlap = new RunningMean();
  readonly #types: TypeCounts;
  readonly #domains: Float64Array;
  #centroids: CentroidSums | undefined;
  #reservoir: Reservoir | undefined;
  #vectors: Float64Array | undefined;
  #vectorWeight = 0;
  #tokens = 0;
  #requested = 0;
  #expertsPerToken = 0;
  #typed = false;
  #labelled = false;

  constructor(options: ResolvedMonitorOptions) {
    const { experts, domains } = options;
    this.#options = options;
    this.#load = new Float64Array(experts);
    this.#membership = new Membership(experts);
    this.#types = emptyTypeCounts(experts);
    this.#domains = new Float64Array(experts * domains.length);
  }

  add(observation: Observation): void {
    const { experts, groups, domains } = this.#options;
    const { slots, weights, probabilities, mask, sequenceLength, documents } = observation;
    const where = `RoutingMonitor.observe, layer ${observation.layer}`;
    const rows = checkAssignment(observation, experts, where);
    const tokens = countTokens(rows, mask);
    const expertsPerToken = this.#options.expertsPerToken ?? slots;
    if (weights !== undefined) checkLength(weights, rows * slots, 'weights', where);
    if (probabilities !== undefined) checkLength(probabilities, rows * experts, 'probabilities', where);

    addSequentialOverlap(this.#overlap, observation, experts, { sequenceLength, expertsPerToken, documents });
    if (probabilities !== undefined)
      addRoutingEntropy(this.#entropy, probabilities, experts, { mask, groups });
    if (weights !== undefined) addConfidence(this.#confidence, weights, slots, { mask, groups });
    if (observation.tokenIds !== undefined) {
      countTypes(observation, observation.tokenIds, experts, this.#types);
      this.#typed = true;
    }
    if (observation.domains !== undefined) {
      checkValue(domains.length > 0, 'domains were observed but none are named in the options.', where);
      countDomains(observation, observation.domains, domains.length, experts, this.#domains);
      this.#labelled = true;
    }
    if (observation.hidden !== undefined) this.#addHidden(observation, observation.hidden);
    if (observation.expertVectors !== undefined) this.#addVectors(observation.expertVectors, tokens, where);
    countLoad(observation, experts, this.#load);
    this.#membership.add(observation);
    this.#tokens += tokens;
    this.#requested += tokens * expertsPerToken;
    this.#expertsPerToken = expertsPerToken;
  }

  #addHidden(observation: Observation, hidden: Hidden): void {
    const { experts, reservoir, seed } = this.#options;
    const { indices, slots, mask } = observation;
    this.#centroids ??= new CentroidSums(experts, hidden.width);
    this.#centroids.add(observation, hidden);
    this.#reservoir ??= new Reservoir(reservoir, hidden.width, seed);
    for (let t = 0; t < indices.length / slots; t++) {
      if (!isToken(mask, t)) continue;
      // a token whose best slot was dropped still has a first expert among the rest
      const first = indices.subarray(t * slots, (t + 1) * slots).find(e => e >= 0);
      if (first !== undefined) this.#reservoir.add(hidden.data, t * hidden.width, first);
    }
  }

  /** Batch means weighted by their tokens give the mean over all tokens; constant vectors stay what they are. */
  #addVectors(vectors: ArrayLike<number>, tokens: number, where: string): void {
    this.#vectors ??= new Float64Array(vectors.length);
    checkLength(vectors, this.#vectors.length, 'expertVectors', where);
    checkValue(
      vectors.length > 0 && vectors.length % this.#options.experts === 0,
      `expertVectors has ${vectors.length} entries, no rows of ${this.#options.experts} experts.`,
      where,
    );
    for (let i = 0; i < vectors.length; i++) this.#vectors[i] = this.#vectors[i]! + tokens * vectors[i]!;
    this.#vectorWeight += tokens;
  }

  report(layer: number): LayerReport {
    const { experts, domains } = this.#options;
    const vectors = this.#vectors?.map(sum => sum / this.#vectorWeight);
    const labelled = this.#labelled && this.#domains.some(n => n > 0);
    const domain = labelled ? domainMetrics(this.#domains, experts) : null;
    return {
      layer,
      tokens: this.#tokens,
      loadByExpert: Array.from(this.#load),
      load: loadMetrics(this.#load, this.#requested),
      samplingFloor: samplingFloor(experts, Math.min(experts, this.#expertsPerToken), this.#tokens),
      gram: vectors === undefined ? null : gramOrthogonality(vectors, experts, vectors.length / experts),
      centroidOrthogonality: this.#centroids?.orthogonality() ?? null,
      expertOverlap: this.#typed ? expertOverlap(this.#types) : null,
      routingEntropy: this.#entropy.value,
      confidence: this.#confidence.value,
      sequentialOverlap: this.#overlap.value,
      diversity: this.#membership.diversity(),
      silhouette:
        this.#reservoir === undefined
          ? null
          : silhouette(this.#reservoir.points, this.#reservoir.width, this.#reservoir.labels),
      domains:
        domain === null
          ? null
          : {
              names: [...domains],
              affinity: Array.from({ length: experts }, (_, e) =>
                numbersOrNull(domain.affinity.subarray(e * domains.length, (e + 1) * domains.length)),
              ),
              purity: numbersOrNull(domain.purity),
              mutualInformation: domain.mutualInformation,
              nmi: domain.nmi,
            },
    };
  }
}
