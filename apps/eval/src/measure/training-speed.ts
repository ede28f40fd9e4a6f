/** How fast a run trained, from its metrics.jsonl. */
import type { MetricRecord } from '@spectra/monitor/node';
import { median } from '../statistics/median.ts';

/**
 * Tokens per second of the median step of the optimizer: a run that was paused, or stood beside others for a while, is as
 * fast as one that was not. Passes that settle prices are no such steps. NaN where there was none.
 */
export function trainingSpeed(records: readonly MetricRecord[]): number {
  return median(
    records
      .filter(record => typeof record.grad_norm === 'number')
      .flatMap(({ train_tokens_per_second: speed }) => (typeof speed === 'number' ? [speed] : [])),
  );
}
