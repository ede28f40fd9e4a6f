/** Averages that routers carry from step to step, on the host: float64 arithmetic, float32 storage. */
import { checkShape } from '@spectra/tensor';

/**
 * One step of an exponential moving average: ρ·previous + (1−ρ)·value, or `value` itself where there is no previous.
 * Always a new array.
 */
export function ema(
  previous: ArrayLike<number> | undefined,
  value: ArrayLike<number>,
  rho: number,
): Float32Array<ArrayBuffer> {
  if (previous === undefined) return Float32Array.from(value);
  checkShape([value.length], [previous.length], 'ema');
  return Float32Array.from(previous, (old, i) => rho * old + (1 - rho) * value[i]!);
}

/**
 * Σ_i weight_i·value_i / Σ_i weight_i over the micro-batches of a step, summed in their order: the mean over all tokens
 * of the step where the weights are token counts. Undefined if no weight is positive.
 */
export function weightedMean(
  values: readonly ArrayLike<number>[],
  weights: readonly number[],
): Float32Array<ArrayBuffer> | undefined {
  checkShape([weights.length], [values.length], 'weightedMean weights');
  const total = weights.reduce((a, b) => a + b, 0);
  if (!(total > 0)) return undefined;
  const sum = new Float64Array(values[0]!.length);
  values.forEach((value, i) => {
    checkShape([value.length], [sum.length], 'weightedMean');
    for (let j = 0; j < sum.length; j++) sum[j]! += weights[i]! * value[j]!;
  });
  return Float32Array.from(sum, x => x / total);
}
