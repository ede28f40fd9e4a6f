/**
 * What a SPECTRA router carries from step to step, on the host: prices, potentials and averages, as float32. It
 * changes only by `commit`.
 */
import {
  AssignmentPrice,
  checkRouterState,
  ema,
  type HostStatistics,
  type RouterState,
} from '@spectra/routing';
import { checkValue } from '@spectra/tensor';
import type { ResolvedOptions } from './options.ts';
import { type StepSums, stepSums } from './statistics.ts';

export class SpectraState {
  /** [E·D] the average of mean_t X; none before the first step. */
  mean: Float32Array | undefined;
  /** γ and γ̄, the price of the k-assignment and its average. */
  readonly price: AssignmentPrice;
  /** ε·g of the last transport, in units of the cost: where the next one starts. */
  potentials: Float32Array;
  /** The average of ε·g; none before the first transport. */
  averagePotentials: Float32Array | undefined;
  /** [1] the average coefficient of variation of the load; none before the first step. */
  cv: Float32Array | undefined;
  private readonly options: ResolvedOptions;
  /** How many steps were committed, moved the price, and solved a transport. */
  private counts = { steps: 0, prices: 0, transports: 0 };

  constructor(options: ResolvedOptions) {
    const { experts, k, groups, priceSteps: steps, priceRate: eta, priceMomentum: rho } = options;
    this.options = options;
    this.price = new AssignmentPrice({ experts, k, groups, steps, eta, rho });
    this.potentials = new Float32Array(experts);
  }

  /** One optimizer step; a step of padding only changes nothing, nor does one that throws. */
  commit(statistics: readonly HostStatistics[], rho?: number): void {
    const { experts, routerDim } = this.options;
    const momentum = rho ?? this.options.momentum;
    checkValue(momentum >= 0 && momentum <= 1, `rho is in [0, 1], got ${rho}.`, 'SpectraRouter.commit');
    const step: StepSums = stepSums(statistics, experts, routerDim);
    if (step.tokens === 0) return;
    // first: it is what may refuse its costs
    const before = this.price.average;
    this.price.commit(step.costs, rho);
    if (this.price.average !== before) this.counts.prices++;
    this.mean = ema(this.mean, step.mean, momentum);
    this.cv = ema(this.cv, [variation(step.load)], momentum);
    this.counts.steps++;
    if (step.potentials !== undefined) {
      this.potentials = step.potentials;
      this.averagePotentials = ema(this.averagePotentials, step.potentials, momentum);
      this.counts.transports++;
    }
  }

  /** Copies of everything, bit for bit. */
  save(): RouterState {
    const { experts: E, routerDim: D } = this.options;
    const { steps, prices, transports } = this.counts;
    const entry = (shape: number[], data: Float32Array | undefined) => ({
      shape,
      data: data === undefined ? new Float32Array(shape.reduce((a, b) => a * b, 1)) : data.slice(),
    });
    return {
      counts: entry([3], Float32Array.of(steps, prices, transports)),
      mean: entry([E, D], this.mean),
      price: entry([E], this.price.price),
      price_average: entry([E], this.price.average),
      potentials: entry([E], this.potentials),
      potentials_average: entry([E], this.averagePotentials),
      cv: entry([1], this.cv),
    };
  }

  /** @throws CHECKPOINT_MISMATCH; then nothing has changed. */
  load(state: RouterState): void {
    const shapes = Object.entries(this.save()).map(([name, { shape }]) => [name, shape] as const);
    checkRouterState(state, Object.fromEntries(shapes), 'SpectraRouter.loadState');
    const [steps, prices, transports] = state.counts!.data as Float32Array;
    const read = (name: string) => Float32Array.from(state[name]!.data);
    const after = (count: number, name: string) => (count > 0 ? read(name) : undefined);
    this.counts = { steps: steps!, prices: prices!, transports: transports! };
    this.mean = after(steps!, 'mean');
    this.cv = after(steps!, 'cv');
    this.price.price = read('price');
    this.price.average = after(prices!, 'price_average');
    this.potentials = read('potentials');
    this.averagePotentials = after(transports!, 'potentials_average');
  }
}

/** Population standard deviation over the mean; 0 where nothing was dispatched. */
export function variation(load: Float64Array): number {
  const mean = load.reduce((a, b) => a + b, 0) / load.length;
  if (mean === 0) return 0;
  const square = load.reduce((a, b) => a + (b - mean) ** 2, 0) / load.length;
  return Math.sqrt(square) / mean;
}
