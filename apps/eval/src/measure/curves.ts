/** metrics.jsonl thinned to what a figure can show. */
import type { MetricRecord } from '@spectra/monitor/node';
import type { Curves } from '../runs/row.ts';

/** Points of a curve; each is the mean of an equal stretch of steps. */
const POINTS = 120;

const KEYS = [
  'loss',
  'router_loss',
  'grad_norm',
  'grad_norm_router',
  'grad_norm_expert',
  'routing_entropy',
  'load_cv',
] as const;

/**
 * Of the optimizer's steps: passes that settle prices have no gradient. Every point stands at the last step of its stretch; a
 * value that no step of it has is null.
 */
export function thinCurves(records: readonly MetricRecord[]): Curves {
  const steps = records.filter(record => typeof record.grad_norm === 'number');
  const points = Math.min(POINTS, steps.length);
  const stretches = Array.from({ length: points }, (_, i) =>
    steps.slice(Math.floor((i * steps.length) / points), Math.floor(((i + 1) * steps.length) / points)),
  );
  const meanOf = (stretch: readonly MetricRecord[], key: string): number | null => {
    const values = stretch.flatMap(record => (typeof record[key] === 'number' ? [record[key]] : []));
    return values.length === 0
      ? null
      : values.reduce((sum: number, value) => sum + (value as number), 0) / values.length;
  };
  return {
    step: stretches.map(stretch => stretch.at(-1)!.step),
    ...Object.fromEntries(
      KEYS.filter(key => steps.some(record => typeof record[key] === 'number')).map(key => [
        key,
        stretches.map(stretch => meanOf(stretch, key)),
      ]),
    ),
  };
}
