/** Percentile bootstrap of a mean (Efron 1979), seeded. */
import { checkValue, Rng } from '@spectra/tensor';

const RESAMPLES = 10_000;

/** The interval of `level` for the mean of the values, which are drawn with replacement. */
export function bootstrapInterval(
  values: readonly number[],
  level = 0.95,
  seed = 0,
): readonly [low: number, high: number] {
  checkValue(values.length > 0, 'there is no value.', 'bootstrapInterval');
  const rng = new Rng(seed).split('bootstrap');
  const means = Float64Array.from({ length: RESAMPLES }, () => {
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[rng.integer(values.length)]!;
    return sum / values.length;
  }).sort();
  const tail = (1 - level) / 2;
  return [quantile(means, tail), quantile(means, 1 - tail)];
}

/** Linear between neighbours, as NumPy's default; `sorted` rises. */
export function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}
