/** The few numbers that runs are summed up by. */

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** Slowest over fastest. */
export function spread(values: readonly number[]): number {
  return Math.max(...values) / Math.min(...values);
}

/** p of y ∝ x^p by least squares on logarithms. */
export function exponent(x: readonly number[], y: readonly number[]): number {
  const [u, v] = [x.map(Math.log), y.map(Math.log)];
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mu, mv] = [mean(u), mean(v)];
  const covariance = u.reduce((sum, a, i) => sum + (a - mu) * (v[i]! - mv), 0);
  return covariance / u.reduce((sum, a) => sum + (a - mu) ** 2, 0);
}
