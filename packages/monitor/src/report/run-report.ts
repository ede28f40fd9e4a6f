/** What a report shows: plain data, JSON as it stands. Sections without data are left out. */
import type { RoutingReport } from '../layer-report.ts';

/** A headline number. */
export interface SummaryCard {
  readonly name: string;
  readonly value: number | string | null;
  readonly unit?: string;
  /** What the value is held against, as text, e.g. `< 0.1`. */
  readonly bound?: string;
  /** `info` (default) where there is no bound. */
  readonly status?: 'met' | 'missed' | 'info';
  /** One short line below. */
  readonly note?: string;
}

/** A value over training. */
export interface Curve {
  readonly name: string;
  readonly steps: readonly number[];
  /** One per step; null for a value that does not exist. */
  readonly values: readonly (number | null)[];
}

/** The metrics of one split under one routing rule. */
export interface RuleMetrics {
  /** e.g. `training rule (batch)`, `causal rule (potentials)`. */
  readonly name: string;
  readonly note?: string;
  readonly report: RoutingReport;
}

/** How one layer's slots fell on the experts over training. */
export interface LoadHistory {
  readonly layer: number;
  readonly steps: readonly number[];
  /** [steps][E] slots, or shares of them. */
  readonly loads: readonly (readonly number[])[];
}

export interface ExpertKeywords {
  readonly layer: number;
  readonly expert: number;
  /** Share of the layer's slots. */
  readonly usage?: number | null;
  /** Mean task loss of the tokens it serves. */
  readonly loss?: number | null;
  readonly topDomain?: string | null;
  /** max_d P(d|e) */
  readonly purity?: number | null;
  /** By falling weight. */
  readonly words: readonly string[];
}

/** A text with the experts of its tokens. */
export interface TokenSample {
  readonly title: string;
  readonly note?: string;
  /** Decoded, in order; pieces of characters as U+FFFD. */
  readonly tokens: readonly string[];
  /** How many tokens at the start were given and not generated. */
  readonly promptTokens?: number;
  readonly layers: readonly {
    readonly layer: number;
    /** [tokens][slots] by falling gate, −1 for none. */
    readonly experts: readonly (readonly number[])[];
    /** [tokens][slots] */
    readonly gates: readonly (readonly number[])[];
  }[];
}

/** Any further results. */
export interface ResultTable {
  readonly title: string;
  readonly note?: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | null)[])[];
}

export interface RunReport {
  readonly title: string;
  readonly subtitle?: string;
  /** When it was made, as text; the renderer reads no clock. */
  readonly date?: string;
  readonly summary?: readonly SummaryCard[];
  /** Task loss, in nats per token unless `lossUnit` says otherwise: of training, and held out per domain. */
  readonly loss?: {
    readonly train: readonly Curve[];
    readonly held: readonly Curve[];
    readonly unit?: string;
  };
  readonly rules?: readonly RuleMetrics[];
  readonly load?: readonly LoadHistory[];
  /** Mean H(P)/log E over training, a curve per layer. */
  readonly entropy?: readonly Curve[];
  readonly keywords?: readonly ExpertKeywords[];
  readonly samples?: readonly TokenSample[];
  readonly tables?: readonly ResultTable[];
  /** What a reader should know before trusting the numbers. */
  readonly notes?: readonly string[];
  /** The resolved configuration, JSON. */
  readonly config?: unknown;
  readonly environment?: Readonly<Record<string, string | number | boolean>>;
  readonly versions?: Readonly<Record<string, string>>;
}
