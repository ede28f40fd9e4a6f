/**
 * What a SPECTRA router carries from step to step, on the host: prices, potentials and averages. It changes only by
 * `commit`, from sums over all tokens of an optimizer step, added in float64 in the order given.
 */
import { type HostArray, type HostStatistics, type RouterState, assignmentPriceSteps } from '@spectra/routing';
import { SpectraError } from '@spectra/tensor';
import type { ResolvedOptions } from './options.ts';

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
  /** [] index of the first cost that is not finite, −1 if all are. */
  firstBad: 'first_bad',
  /** [] the column error that the transport ended with, for logs. */
  columnError: 'column_error',
} as const;

/** ρ·average + (1 − ρ)·value, and the value itself the first time. */
class Average {
  readonly values: Float32Array;
  count = 0;
  private readonly momentum: number;

  constructor(size: number, momentum: number) {
    this.values = new Float32Array(size);
    this.momentum = momentum;
  }

  add(value: ArrayLike<number>): void {
    const rho = this.count === 0 ? 0 : this.momentum;
    for (let i = 0; i < this.values.length; i++) {
      this.values[i] = rho * this.values[i]! + (1 - rho) * value[i]!;
    }
    this.count++;
  }
}

export class SpectraState {
  /** Steps committed. */
  batches = 0;
  /** γ, the price of the k-assignment, in units of the cost. */
  readonly price: Float32Array;
  /** ε·g of the last step, where Sinkhorn starts. */
  readonly potentials: Float32Array;
  /** γ̄ */
  readonly averagePrice: Average;
  /** The average of ε·g. */
  readonly averagePotentials: Average;
  /** [E·D] the average of mean_t X. */
  readonly mean: Average;
  /** [1] the average CV of the load. */
  readonly cv: Average;
  private readonly options: ResolvedOptions;

  constructor(options: ResolvedOptions) {
    const { experts: E, routerDim: D, momentum, priceMomentum } = options;
    this.options = options;
    this.price = new Float32Array(E);
    this.potentials = new Float32Array(E);
    this.averagePrice = new Average(E, priceMomentum);
    this.averagePotentials = new Average(E, momentum);
    this.mean = new Average(E * D, momentum);
    this.cv = new Average(1, momentum);
  }

  /** One optimizer step. Nothing changes if a statistic shows a cost that is not finite. */
  commit(statistics: readonly HostStatistics[]): void {
    statistics.forEach(checkFinite);
    const tokens = sum(statistics, STATISTICS.tokens, 1)[0]!;
    if (tokens === 0) return;
    const { experts: E, routerDim: D } = this.options;
    this.mean.add(sum(statistics, STATISTICS.expressions, E * D).map(value => value / tokens));
    this.cv.add([variation(sum(statistics, STATISTICS.load, E))]);
    const solved = statistics.filter(batch => batch[STATISTICS.potentials] !== undefined);
    if (solved.length > 0) {
      this.potentials.set(sum(solved, STATISTICS.potentials, E).map(value => value / solved.length));
      this.averagePotentials.add(this.potentials);
    }
    if (this.options.price === 'assignment') this.commitPrice(statistics, tokens);
    this.batches++;
  }

  /** A few subgradient steps from the last price on the convex function whose minimum balances the top-k load. */
  private commitPrice(statistics: readonly HostStatistics[], tokens: number): void {
    const { experts: E, k, groups, priceSteps: steps, priceRate: eta } = this.options;
    // a load counted on fewer tokens is noise
    if (tokens < (4 * E) / k) return;
    const costs = liveCosts(statistics, tokens, E);
    this.price.set(assignmentPriceSteps(costs, this.price, { k, groups, steps, eta }));
    this.averagePrice.add(this.price);
  }

  private entries(): Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }> {
    const { experts: E, routerDim: D } = this.options;
    const averages = [this.mean, this.cv, this.averagePrice, this.averagePotentials];
    const counts = [this.batches, ...averages.map(average => average.count)];
    return {
      counts: { shape: [5], data: Float32Array.from(counts) },
      mean: { shape: [E, D], data: this.mean.values },
      cv: { shape: [1], data: this.cv.values },
      price: { shape: [E], data: this.price },
      price_average: { shape: [E], data: this.averagePrice.values },
      potentials: { shape: [E], data: this.potentials },
      potentials_average: { shape: [E], data: this.averagePotentials.values },
    };
  }

  /** Copies of everything, bit for bit. */
  save(): RouterState {
    return Object.fromEntries(
      Object.entries(this.entries()).map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
    );
  }

  /** @throws CHECKPOINT_MISMATCH; then nothing has changed. */
  load(state: RouterState): void {
    const entries = this.entries();
    for (const name of new Set([...Object.keys(entries), ...Object.keys(state)])) {
      checkEntry(name, entries[name], state[name]);
    }
    for (const [name, { data }] of Object.entries(entries)) data.set(state[name]!.data);
    const [batches, mean, cv, price, potentials] = state.counts!.data;
    this.batches = batches!;
    this.mean.count = mean!;
    this.cv.count = cv!;
    this.averagePrice.count = price!;
    this.averagePotentials.count = potentials!;
  }
}

function checkFinite(batch: HostStatistics, index: number): void {
  const position = batch[STATISTICS.firstBad]?.data[0] ?? -1;
  if (position < 0) return;
  const E = batch[STATISTICS.load]!.data.length;
  throw new SpectraError('NOT_FINITE', {
    message: `the cost of token ${Math.floor(position / E)} at expert ${position % E} of micro-batch ${index} is NaN or infinite.`,
    where: 'SpectraRouter.commit',
    fix: 'Look for hidden states that are not finite; lower the learning rate or clip gradients.',
  });
}

/** Σ over micro-batches, in their order, in float64. */
function sum(statistics: readonly HostStatistics[], name: string, size: number): Float64Array {
  const total = new Float64Array(size);
  for (const batch of statistics) {
    const data = batch[name]?.data;
    if (data?.length !== size) {
      throw new SpectraError('SHAPE', {
        message: `statistic "${name}" has ${data?.length ?? 'no'} values, not ${size}.`,
        where: 'SpectraRouter.commit',
        fix: 'Commit what `route` returned as `statistics` when training.',
      });
    }
    for (let i = 0; i < size; i++) total[i]! += data[i]!;
  }
  return total;
}

/** The causal costs of all tokens that are not padding, [tokens,E]. */
function liveCosts(statistics: readonly HostStatistics[], tokens: number, E: number): Float32Array {
  const costs = new Float32Array(tokens * E);
  let at = 0;
  for (const batch of statistics) {
    const cost = batch[STATISTICS.causalCost]!.data;
    const live = batch[STATISTICS.live]?.data;
    if (live === undefined) {
      costs.set(cost, at);
      at += cost.length;
      continue;
    }
    for (let t = 0; t < live.length; t++) {
      if (live[t] === 0) continue;
      costs.set(cost.subarray(t * E, (t + 1) * E), at);
      at += E;
    }
  }
  return costs;
}

/** Population standard deviation over the mean. */
function variation(load: Float64Array): number {
  const mean = load.reduce((a, b) => a + b, 0) / load.length;
  if (mean === 0) return 0;
  const square = load.reduce((a, b) => a + (b - mean) ** 2, 0) / load.length;
  return Math.sqrt(square) / mean;
}

function checkEntry(name: string, own: HostArray | undefined, given: HostArray | undefined): void {
  const problem =
    own === undefined
      ? 'is unknown'
      : given === undefined
        ? 'is missing'
        : String(own.shape) === String(given.shape) && own.data.length === given.data.length
          ? undefined
          : `has shape [${given.shape.join(', ')}], not [${own.shape.join(', ')}]`;
  if (problem === undefined) return;
  throw new SpectraError('CHECKPOINT_MISMATCH', {
    message: `router state "${name}" ${problem}.`,
    where: 'SpectraRouter.loadState',
    fix: 'Load a checkpoint of a router with the same experts, width and kind.',
  });
}
