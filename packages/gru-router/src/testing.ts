/** What this package's own tests share. */
import type { HostStatistics, Routing } from '@spectra/routing';
import { Rng } from '@spectra/tensor';
import type { SpectraRouter } from './spectra-router.ts';
import { type SpectraRoutersOptions, spectraRouters } from './spectra-routers.ts';

/** A small stack of routers, the same for the same options. */
export function testRouters(options: Partial<SpectraRoutersOptions> = {}): SpectraRouter[] {
  const defaults = { hidden: 12, experts: 8, k: 2, layers: 1, routerDim: 6, stateSize: 8 };
  return spectraRouters({ ...defaults, ...options }, new Rng(7));
}

/** A micro-batch's statistics read back, as the trainer does. */
export async function toHost(statistics: Routing['statistics']): Promise<HostStatistics> {
  const entries = Object.entries(statistics).map(async ([name, value]) => [
    name,
    { shape: value.shape, data: (await value.data()) as Float32Array | Int32Array },
  ]);
  return Object.fromEntries(await Promise.all(entries));
}
