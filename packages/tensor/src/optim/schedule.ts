/** Learning-rate schedules as pure functions of the step, so that a resumed run needs nothing but its step. */
import { checkValue } from '../errors.ts';

interface Warmup {
  /** The highest learning rate. */
  readonly peak: number;
  /** Steps of linear rise: step i of n has peak·(i + 1)/n. */
  readonly warmupSteps: number;
}

interface Decay {
  /** Steps of the whole run; the last one, `steps − 1`, has peak·finalRatio. */
  readonly steps: number;
  readonly finalRatio: number;
}

export type Schedule =
  | ({ readonly kind: 'constant' } & Warmup)
  | ({ readonly kind: 'linear' } & Warmup & Decay)
  /** Half a cosine (Loshchilov & Hutter, "SGDR", 2017). */
  | ({ readonly kind: 'cosine' } & Warmup & Decay)
  /** Warm-up, stable, linear decay over the last `decaySteps` (Hu et al., "MiniCPM", 2024). */
  | ({ readonly kind: 'wsd'; readonly decaySteps: number } & Warmup & Decay);

/** The learning rate of a step; `step` counts the optimizer steps done before it, from 0. */
export function learningRate(schedule: Schedule, step: number): number {
  checkValue(Number.isInteger(step) && step >= 0, `a step is a whole number, got ${step}.`, 'learningRate');
  const { peak, warmupSteps } = schedule;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  if (schedule.kind === 'constant') return peak;
  const start =
    schedule.kind === 'wsd' ? Math.max(warmupSteps, schedule.steps - schedule.decaySteps) : warmupSteps;
  const progress = decayProgress(step, start, schedule.steps - 1);
  const left = schedule.kind === 'cosine' ? (1 + Math.cos(Math.PI * progress)) / 2 : 1 - progress;
  return peak * (schedule.finalRatio + (1 - schedule.finalRatio) * left);
}

/** 0 until `start`, 1 at `last` and after it. */
function decayProgress(step: number, start: number, last: number): number {
  if (step >= last) return 1;
  return step <= start ? 0 : (step - start) / (last - start);
}
