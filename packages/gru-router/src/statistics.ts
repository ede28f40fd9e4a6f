/** What a SPECTRA router tells `commit` of a micro-batch, by name, and how a step's micro-batches add up. */
import { type CostBatch, type HostStatistics, weightedMean } from '@spectra/routing';
import { SpectraError } from '@spectra/tensor';

/** The names of a micro-batch's statistics. */
export const STATISTICS = {
  /** [] tokens that are not padding. */
  tokens: 'tokens',
  /** [E,D] Σ_t X_te over them. */
  expressions: 'expressions',
  /** [E] dispatched slots. */
  load: 'load',
  /** [E] ε·g, where a transport was solved. */
  potentials: 'potentials',
  /** [N,E] the cost that decoding would see: with the Gram matrix of earlier batches. */
  causalCost: 'causal_cost',
  /** [N] 1 for a token, 0 for padding; absent without padding. */
  live: 'live',
  /** [] index of the first cost that is not finite, −1 if all are; where a transport was solved. */
  firstBad: 'first_bad',
  /** [] the column error that the transport ended with, for logs. */
  columnError: 'column_error',
} as const;

/** An optimizer step: its micro-batches added in the order given, in float64. */
export interface StepSums {
  readonly tokens: number;
  /** [E·D] mean_t X */
  readonly mean: Float64Array;
  /** [E] */
  readonly load: Float64Array;
  /** [E] ε·g, averaged over tokens; undefined if no transport was solved. */
  readonly potentials: Float32Array | undefined;
  /** The causal costs, padding marked; empty if they were not asked for. */
  readonly costs: readonly CostBatch[];
}

/**
 * @throws NOT_FINITE where a transport met a cost that is not finite, or a sum is none, SHAPE where a statistic is missing or
 * misshapen.
 */
export function stepSums(
  statistics: readonly HostStatistics[],
  experts: number,
  routerDim: number,
): StepSums {
  for (const [i, batch] of statistics.entries()) checkFinite(batch, i, experts);
  const tokens = sum(statistics, STATISTICS.tokens, 1)[0]!;
  const solved = statistics.filter(batch => batch[STATISTICS.potentials] !== undefined);
  return {
    tokens,
    mean: sum(statistics, STATISTICS.expressions, experts * routerDim).map(value => value / tokens),
    load: sum(statistics, STATISTICS.load, experts),
    potentials: weightedMean(
      solved.map(batch => entry(batch, STATISTICS.potentials, experts)),
      solved.map(batch => entry(batch, STATISTICS.tokens, 1)[0]!),
    ),
    costs: statistics.filter(batch => batch[STATISTICS.causalCost] !== undefined).map(costBatch),
  };
}

function costBatch(batch: HostStatistics): CostBatch {
  const cost = batch[STATISTICS.causalCost]!.data as Float32Array;
  const mask = batch[STATISTICS.live]?.data;
  return mask === undefined ? { cost } : { cost, mask };
}

function checkFinite(batch: HostStatistics, index: number, experts: number): void {
  // whatever mode: one sum that is not finite would stay in the averages for ever
  for (const name of [STATISTICS.expressions, STATISTICS.potentials]) {
    if (batch[name]?.data.every(Number.isFinite) ?? true) continue;
    if ((batch[STATISTICS.firstBad]?.data[0] ?? -1) >= 0) break;
    throw notFinite(`the statistic "${name}" of micro-batch ${index}`);
  }
  const position = batch[STATISTICS.firstBad]?.data[0] ?? -1;
  if (position < 0) return;
  const [token, expert] = [Math.floor(position / experts), position % experts];
  throw notFinite(`the cost of token ${token} at expert ${expert} of micro-batch ${index}`);
}

function notFinite(what: string): SpectraError {
  return new SpectraError('NOT_FINITE', {
    message: `${what} is NaN or infinite.`,
    where: 'SpectraRouter.commit',
    fix: 'Look for hidden states that are not finite; lower the learning rate or clip gradients.',
  });
}

function sum(statistics: readonly HostStatistics[], name: string, size: number): Float64Array {
  const total = new Float64Array(size);
  for (const batch of statistics) {
    const data = entry(batch, name, size);
    for (let i = 0; i < size; i++) total[i]! += data[i]!;
  }
  return total;
}

function entry(batch: HostStatistics, name: string, size: number): Float32Array | Int32Array {
  const data = batch[name]?.data;
  if (data?.length === size) return data;
  throw new SpectraError('SHAPE', {
    message: `statistic "${name}" has ${data?.length ?? 'no'} values, not ${size}.`,
    where: 'SpectraRouter.commit',
    fix: 'Commit what `route` returned as `statistics` when training.',
  });
}
