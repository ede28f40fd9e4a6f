/** From a model's folder to another, in one call. */
import { openModel, type WrittenFile } from '@spectra/checkpoint/node';
import { type LoadModelOptions, loadModelDescription } from '@spectra/transformer/node';
import type { ConversionOptions } from '../options.ts';
import type { UpcyclePlan } from '../plan.ts';
import { planConversion } from '../plan-conversion.ts';
import { type ApplyOptions, applyPlan } from './apply.ts';

/** Families of one's own, looked up before the built-in ones. */
export type Families = Pick<LoadModelOptions, 'families'>;

/** The plan for the model in `from`; reads headers only. Errors: those of `planUpcycle` and of the files. */
export async function planFolder(
  from: string,
  options: ConversionOptions,
  families: Families = {},
): Promise<UpcyclePlan> {
  const description = await loadModelDescription(from, families);
  const store = await openModel(from);
  try {
    return await planConversion(store, description, options);
  } finally {
    await store.close();
  }
}

/** Makes a mixture of experts, or a larger one, of the model in `from`; `to` appears whole or not at all. */
export async function upcycleFolder(
  from: string,
  to: string,
  options: ConversionOptions,
  writing: Omit<ApplyOptions, 'seed'> & Families = {},
): Promise<{ readonly plan: UpcyclePlan; readonly written: Record<string, WrittenFile> }> {
  const description = await loadModelDescription(from, writing);
  const store = await openModel(from);
  try {
    const plan = await planConversion(store, description, options);
    const written = await applyPlan(plan, store, from, to, {
      ...writing,
      seed: options.mode === 'expand' ? 0 : (options.seed ?? 0),
    });
    return { plan, written };
  } finally {
    await store.close();
  }
}
