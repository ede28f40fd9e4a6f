/** The plan for any mode. */
import type { ModelStore } from '@spectra/checkpoint';
import type { ModelDescription } from '@spectra/transformer';
import type { ConversionOptions } from './options.ts';
import type { UpcyclePlan } from './plan.ts';
import { planExpansion } from './plan-expansion.ts';
import { planUpcycle } from './plan-upcycle.ts';

/** `planExpansion` or `planUpcycle`, and their errors. */
export async function planConversion(
  store: ModelStore,
  source: ModelDescription,
  options: ConversionOptions,
): Promise<UpcyclePlan> {
  return options.mode === 'expand' ? planExpansion(store, source) : planUpcycle(store, source, options);
}
