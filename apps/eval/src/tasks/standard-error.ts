/** Values of metrics with their standard errors. */
import { Rng } from '@spectra/tensor';
import type { Metric } from './task.ts';

/** Resamples behind the standard error of a ratio; lm-evaluation-harness's default for such metrics. */
const RESAMPLES = 100;

/** Mean and s/√n, with n − 1 in s. */
export function meanMetric(values: readonly number[]): Metric {
  const n = values.length;
  const value = values.reduce((sum, x) => sum + x, 0) / n;
  if (n < 2) return { value, stderr: null };
  const variance = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (n - 1);
  return { value, stderr: Math.sqrt(variance / n) };
}

/** `of` the ratio Σ numerators / Σ weights; the standard error by a seeded bootstrap over documents. */
export function ratioMetric(
  numerators: readonly number[],
  weights: readonly number[],
  of: (ratio: number) => number,
): Metric {
  const all = numerators.map((_, i) => i);
  const ratio = (chosen: readonly number[]): number =>
    of(chosen.reduce((sum, i) => sum + numerators[i]!, 0) / chosen.reduce((sum, i) => sum + weights[i]!, 0));
  const value = ratio(all);
  if (all.length < 2) return { value, stderr: null };
  const rng = new Rng(0).split('standard error');
  const drawn = Array.from({ length: RESAMPLES }, () => ratio(all.map(() => rng.integer(all.length))));
  const centre = drawn.reduce((sum, x) => sum + x, 0) / RESAMPLES;
  const variance = drawn.reduce((sum, x) => sum + (x - centre) ** 2, 0) / (RESAMPLES - 1);
  return { value, stderr: Math.sqrt(variance) };
}
