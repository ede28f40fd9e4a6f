/// <reference path="./jstat.d.ts" />
/** Wilcoxon's signed-rank test (1945) of paired differences. */
import jStat from 'jstat';

export interface SignedRank {
  /** Pairs that differ. */
  readonly n: number;
  /** The smaller of the two sums of ranks. */
  readonly statistic: number;
  /** Two-sided. */
  readonly p: number;
  /** What it would be if every difference had the same sign: below 6 pairs more than 0.05. */
  readonly smallestP: number;
}

/** Up to here every assignment of signs is counted; beyond, the normal approximation. */
const EXACT_UP_TO = 25;

/** Zero differences are left out; tied ones share their mean rank. Undefined where no pair differs. */
export function signedRank(a: readonly number[], b: readonly number[]): SignedRank | undefined {
  const differences = a.map((value, i) => value - b[i]!).filter(difference => difference !== 0);
  const n = differences.length;
  if (n === 0) return undefined;
  const ranks = midranks(differences.map(Math.abs));
  const total = (n * (n + 1)) / 2;
  const positive = ranks.reduce((sum, rank, i) => sum + (differences[i]! > 0 ? rank : 0), 0);
  const statistic = Math.min(positive, total - positive);
  const exact = n <= EXACT_UP_TO;
  const p = exact ? exactP(ranks, statistic) : normalP(ranks, statistic);
  return { n, statistic, p, smallestP: exact ? exactP(ranks, 0) : normalP(ranks, 0) };
}

/** 1 for the smallest; ties get the mean of theirs. */
export function midranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((x, y) => values[x]! - values[y]!);
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to++;
    for (let i = from; i < to; i++) ranks[order[i]!] = (from + 1 + to) / 2;
    from = to;
  }
  return ranks;
}

/** Twice the share of the 2^n sign assignments whose positive sum is at most `statistic`. Ranks are multiples of ½. */
function exactP(ranks: readonly number[], statistic: number): number {
  const doubled = ranks.map(rank => Math.round(2 * rank));
  const counts = new Float64Array(doubled.reduce((sum, rank) => sum + rank, 0) + 1);
  counts[0] = 1;
  for (const rank of doubled) {
    for (let sum = counts.length - 1; sum >= rank; sum--) counts[sum]! += counts[sum - rank]!;
  }
  const below = counts.subarray(0, Math.round(2 * statistic) + 1).reduce((sum, count) => sum + count, 0);
  return Math.min(1, (2 * below) / 2 ** ranks.length);
}

/** With the variance corrected for ties, without a continuity correction, as SciPy has it. */
function normalP(ranks: readonly number[], statistic: number): number {
  const n = ranks.length;
  const variance = ranks.reduce((sum, rank) => sum + rank * rank, 0) / 4;
  const z = (statistic - (n * (n + 1)) / 4) / Math.sqrt(variance);
  return Math.min(1, 2 * jStat.normal.cdf(z, 0, 1));
}
