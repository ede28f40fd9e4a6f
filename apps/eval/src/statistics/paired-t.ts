/// <reference path="./jstat.d.ts" />
/** Student's paired t (Student 1908) and the effect size that belongs to it. */
import { checkValue } from '@spectra/tensor';
import jStat from 'jstat';

export interface PairedT {
  readonly n: number;
  readonly meanDifference: number;
  /** Of the differences, with n − 1. */
  readonly deviation: number;
  readonly t: number;
  readonly degreesOfFreedom: number;
  /** Two-sided. */
  readonly p: number;
  /** d_z, the mean difference over the deviation of the differences (Cohen 1988). */
  readonly effect: number;
}

/** With fewer pairs a t has no more than one degree of freedom, which says nothing. */
export const FEWEST_PAIRS = 3;

/** Differences below this share of the values are rounding: there is nothing to test. */
const ROUNDING = 1e-12;

/** a[i] and b[i] are of the same seed. Undefined for fewer than three pairs or equal differences that are not 0. */
export function pairedT(a: readonly number[], b: readonly number[]): PairedT | undefined {
  checkValue(a.length === b.length, `${a.length} values against ${b.length}.`, 'pairedT');
  const n = a.length;
  if (n < FEWEST_PAIRS) return undefined;
  const differences = a.map((value, i) => value - b[i]!);
  const meanDifference = mean(differences);
  const deviation = standardDeviation(differences);
  const degreesOfFreedom = n - 1;
  const scale = Math.max(...a.map(Math.abs), ...b.map(Math.abs));
  if (deviation <= ROUNDING * scale) {
    if (Math.abs(meanDifference) > ROUNDING * scale) return undefined;
    return { n, meanDifference: 0, deviation: 0, t: 0, degreesOfFreedom, p: 1, effect: 0 };
  }
  const t = meanDifference / (deviation / Math.sqrt(n));
  const p = 2 * jStat.studentt.cdf(-Math.abs(t), degreesOfFreedom);
  return { n, meanDifference, deviation, t, degreesOfFreedom, p, effect: meanDifference / deviation };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** With n − 1; 0 for one value. */
export function standardDeviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}
