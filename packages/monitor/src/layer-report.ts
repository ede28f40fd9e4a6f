/** What the monitor says: plain data, JSON as it stands. Null is a value that does not exist. */
import type { GramMetrics } from './metrics/gram.ts';
import type { LoadMetrics } from './metrics/load.ts';

export interface DomainReport {
  readonly names: readonly string[];
  /** [E][domains] P(e|d)/P(e); null for an expert or domain without slots. */
  readonly affinity: readonly (readonly (number | null)[])[];
  /** [E] max_d P(d|e); null for an expert without slots. */
  readonly purity: readonly (number | null)[];
  /** I(E;D) in nats. */
  readonly mutualInformation: number;
  readonly nmi: number;
}

export interface LayerReport {
  readonly layer: number;
  /** Tokens observed, without padding. */
  readonly tokens: number;
  /** [E] slots dispatched. */
  readonly loadByExpert: readonly number[];
  readonly load: LoadMetrics;
  /** √((E/k − 1)/N) of the tokens observed. */
  readonly samplingFloor: number;
  /** Null without expert vectors (hash and random routers). */
  readonly gram: GramMetrics | null;
  /** Null without hidden states. */
  readonly centroidOrthogonality: number | null;
  /** Null without token ids. */
  readonly expertOverlap: number | null;
  readonly routingEntropy: number | null;
  readonly confidence: number | null;
  readonly sequentialOverlap: number | null;
  readonly diversity: number | null;
  /** Of a seeded sample of tokens; null without hidden states. */
  readonly silhouette: number | null;
  /** Null without domain labels. */
  readonly domains: DomainReport | null;
}

/** Over layers: the worst of what has a target, the mean of the rest. */
export interface OverallReport {
  readonly tokens: number;
  /** Largest. */
  readonly cv: number;
  /** Largest. */
  readonly maxViolation: number;
  /** Largest. */
  readonly unusedRate: number;
  /** Largest. */
  readonly droppedRate: number;
  /** Smallest. */
  readonly gramOrthogonality: number | null;
  /** Smallest. */
  readonly centroidOrthogonality: number | null;
  /** Mean over the layers that have it, as all below. */
  readonly loadEntropy: number;
  readonly expertOverlap: number | null;
  readonly routingEntropy: number | null;
  readonly confidence: number | null;
  readonly sequentialOverlap: number | null;
  readonly diversity: number | null;
  readonly silhouette: number | null;
  readonly mutualInformation: number | null;
  readonly nmi: number | null;
}

export interface RoutingReport {
  readonly experts: number;
  /** By rising layer. */
  readonly layers: readonly LayerReport[];
  readonly overall: OverallReport;
}

const present = (values: readonly (number | null | undefined)[]): number[] => values.filter(v => v != null);

const mean = (values: readonly (number | null | undefined)[]): number | null => {
  const all = present(values);
  return all.length === 0 ? null : all.reduce((a, b) => a + b, 0) / all.length;
};

const smallest = (values: readonly (number | null | undefined)[]): number | null => {
  const all = present(values);
  return all.length === 0 ? null : Math.min(...all);
};

/** The overall values of at least one layer. */
export function overallReport(layers: readonly LayerReport[]): OverallReport {
  return {
    tokens: Math.max(...layers.map(l => l.tokens)),
    cv: Math.max(...layers.map(l => l.load.cv)),
    maxViolation: Math.max(...layers.map(l => l.load.maxViolation)),
    unusedRate: Math.max(...layers.map(l => l.load.unusedRate)),
    droppedRate: Math.max(...layers.map(l => l.load.droppedRate)),
    gramOrthogonality: smallest(layers.map(l => l.gram?.orthogonality)),
    centroidOrthogonality: smallest(layers.map(l => l.centroidOrthogonality)),
    loadEntropy: mean(layers.map(l => l.load.entropy))!,
    expertOverlap: mean(layers.map(l => l.expertOverlap)),
    routingEntropy: mean(layers.map(l => l.routingEntropy)),
    confidence: mean(layers.map(l => l.confidence)),
    sequentialOverlap: mean(layers.map(l => l.sequentialOverlap)),
    diversity: mean(layers.map(l => l.diversity)),
    silhouette: mean(layers.map(l => l.silhouette)),
    mutualInformation: mean(layers.map(l => l.domains?.mutualInformation)),
    nmi: mean(layers.map(l => l.domains?.nmi)),
  };
}

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);

/**
 * A report as flat scalars for sinks: `overall/cv`, `layer_0/load_cv`, `layer_0/gram_orthogonality`, …, without the
 * values that do not exist.
 */
export function reportScalars(report: RoutingReport): Record<string, number> {
  const scalars: Record<string, number> = {};
  const put = (prefix: string, values: object): void => {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value === 'number') scalars[prefix + snake(name)] = value;
    }
  };
  put('overall/', report.overall);
  for (const { layer, load, gram, domains, ...rest } of report.layers) {
    const prefix = `layer_${layer}/`;
    put(`${prefix}load_`, load);
    put(prefix, rest);
    if (gram !== null) put(`${prefix}gram_`, gram);
    if (domains !== null) put(prefix, domains);
  }
  return scalars;
}
