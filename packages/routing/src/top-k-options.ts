/** What tells the linear-gate routers of published models apart. */
import type { GateOrthogonality } from './gate-losses.ts';
import type { LinearGateOptions } from './linear-gate.ts';

/** What a logit becomes: a share of 1 over all experts, a score of its own in (0, 1), or nothing else. */
export const GATE_SCORES = ['softmax', 'sigmoid', 'raw'] as const;
export type GateScore = (typeof GATE_SCORES)[number];

export interface TopKRouterOptions extends LinearGateOptions {
  /** Columns of the gate, where logits are made of something else than the token itself; H by default. */
  readonly gateWidth?: number;
  /** `softmax` by default. */
  readonly scores?: GateScore;
  /** A learned bias on the logits; false by default. */
  readonly bias?: boolean;
  /** A bias per expert that counts in choosing, never in the gates; false by default. Part of the state. */
  readonly correction?: boolean;
  /** What `commit` moves the correction bias by; 0.001 by default. */
  readonly correctionRate?: number;
  /** Equal consecutive groups of experts, of which a token sees its `keptGroups` best; both 1 by default. */
  readonly groups?: number;
  readonly keptGroups?: number;
  /** How many of its best scores a group counts by; 2 by default, more where experts have copies. */
  readonly groupTop?: number;
  /**
   * Divide the k gates by their sum, or use them as they are: a single gate would else be 1 and carry no gradient. By default
   * for k ≥ 2, and always for raw scores, whose gates are their softmax.
   */
  readonly normalise?: boolean;
  /** Factor on the gates; 1 by default. */
  readonly scale?: number;
  /** Coefficient of the load-balancing loss (Fedus 2021); 0 by default. */
  readonly balanceLoss?: number;
  /** Coefficient of the same within each sequence (DeepSeek-V3 2024); 0 by default. */
  readonly sequenceLoss?: number;
  /** Coefficient of the z-loss (Zoph 2022); 0 by default. */
  readonly zLoss?: number;
  /** Coefficient of the loss that draws the gate's rows apart; 0 by default. */
  readonly orthogonalityLoss?: number;
  /** The form of that loss; `simbal` by default. */
  readonly orthogonality?: GateOrthogonality;
}

/** Whether k gates are made to sum to 1: as told, else for k ≥ 2 and for raw scores, which are no gates by themselves. */
export function gatesSumToOne(
  { normalise, scores }: { readonly normalise?: boolean | undefined; readonly scores?: GateScore },
  k: number,
): boolean {
  return normalise ?? (k >= 2 || scores === 'raw');
}

/** Without what only the initial weights need. */
export type ResolvedTopKOptions = Required<
  Omit<TopKRouterOptions, 'prefix' | 'rng' | 'deviation' | 'orthogonalGain' | 'gateWidth'>
>;
