/** Whether experts serve different tokens: normalised mutual information of their membership indicators. */
import { type Assignment, checkAssignment, isToken } from './assignment.ts';

/** Tokens that two experts both serve, [E,E]; the diagonal is how many each serves. */
export class Membership {
  readonly experts: number;
  readonly both: Float64Array;
  tokens = 0;

  constructor(experts: number) {
    this.experts = experts;
    this.both = new Float64Array(experts * experts);
  }

  add(assignment: Assignment): void {
    const { experts, both } = this;
    const rows = checkAssignment(assignment, experts, 'diversity');
    const { indices, slots, mask } = assignment;
    for (let t = 0; t < rows; t++) {
      if (!isToken(mask, t)) continue;
      this.tokens++;
      for (let i = t * slots; i < (t + 1) * slots; i++) {
        if (indices[i]! < 0) continue;
        const row = indices[i]! * experts;
        for (let j = t * slots; j < (t + 1) * slots; j++) {
          if (indices[j]! >= 0) both[row + indices[j]!] = both[row + indices[j]!]! + 1;
        }
      }
    }
  }

  /** 1 − mean NMI over pairs of used experts; null with fewer than two. */
  diversity(): number | null {
    const { experts, both, tokens } = this;
    let sum = 0;
    let pairs = 0;
    for (let a = 0; a < experts; a++) {
      const inA = both[a * experts + a]!;
      if (inA === 0) continue;
      for (let b = a + 1; b < experts; b++) {
        const inB = both[b * experts + b]!;
        if (inB === 0) continue;
        sum += indicatorNmi(inA, inB, both[a * experts + b]!, tokens);
        pairs++;
      }
    }
    return pairs === 0 ? null : 1 - sum / pairs;
  }
}

/** −p log p, 0 at 0. */
const term = (p: number): number => (p > 0 ? -p * Math.log(p) : 0);

/** I/√(H·H) of two indicators over n tokens; 1 where both are constant (the same partition), 0 where one is. */
function indicatorNmi(inA: number, inB: number, inBoth: number, n: number): number {
  if (inA === n || inB === n) return Number(inA === inB);
  const entropyA = term(inA / n) + term(1 - inA / n);
  const entropyB = term(inB / n) + term(1 - inB / n);
  let information = 0;
  const cell = (count: number, rowTotal: number, columnTotal: number): void => {
    if (count > 0) information += (count / n) * Math.log((count * n) / (rowTotal * columnTotal));
  };
  cell(inBoth, inA, inB);
  cell(inA - inBoth, inA, n - inB);
  cell(inB - inBoth, n - inA, inB);
  cell(n - inA - inB + inBoth, n - inA, n - inB);
  return Math.max(0, information) / Math.sqrt(entropyA * entropyB);
}

/** Diversity of one batch. */
export function expertDiversity(assignment: Assignment, experts: number): number | null {
  const membership = new Membership(experts);
  membership.add(assignment);
  return membership.diversity();
}
