/** A temperature that follows the load's imbalance. */
import { checkValue } from '@spectra/tensor';

/**
 * ε·(1 + min(cvEma, cvMax)): softer plans while the experts' loads are uneven. `cvEma` is the running mean of the loads'
 * coefficient of variation over earlier batches; undefined or 0 before any.
 */
export function adaptiveEpsilon(epsilon: number, cvEma: number | undefined, cvMax = 1): number {
  const cv = cvEma ?? 0;
  checkValue(epsilon > 0, `epsilon must be positive, got ${epsilon}.`, 'adaptiveEpsilon');
  checkValue(
    cv >= 0 && cvMax >= 0,
    `cvEma and cvMax must not be negative, got ${cv} and ${cvMax}.`,
    'adaptiveEpsilon',
  );
  return epsilon * (1 + Math.min(cv, cvMax));
}
