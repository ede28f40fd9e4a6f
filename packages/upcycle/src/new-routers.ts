/** What a loaded model tells of the routers that replace its own: the factor on their gates, and how they begin. */
import type { Router } from '@spectra/routing';
import { checkValue, Rng } from '@spectra/tensor';
import { createRouters, type DecoderModel, describeModel } from '@spectra/transformer';
import { type Calibration, type DistilOptions, distil } from './distil.ts';
import { meanGateSum } from './gate-sum.ts';
import { constantGateSum, type ReplacementOptions, replacedConfig, rhoFor } from './plan-replacement.ts';

/** How new routers begin: drawn from the seed, or fitted to the old ones' choices, too. */
export interface RouterStart extends DistilOptions {
  /** `fresh` by default. */
  readonly init?: 'fresh' | 'distil';
  /** To fit on, and to measure ρ on where the old gates' sum is no constant. */
  readonly calibration?: Calibration;
}

export interface NewRouters {
  readonly rho?: number;
  /** By layer, where they are fitted; dispose them with `disposeRouters`. */
  readonly fitted?: ReadonlyMap<number, Router>;
}

/** Whether ρ or the routers depend on what the old ones do; `VALUE` where that asks for a text that is not given. */
export function needsModel(
  moe: Parameters<typeof constantGateSum>[0],
  options: ReplacementOptions & RouterStart,
): boolean {
  const { init, calibration } = options;
  checkValue(
    init !== 'distil' || calibration !== undefined,
    'there is no calibration text to fit the router on.',
    'replaceRouter',
    'Give one (--text, --input), or use init fresh.',
  );
  const measured = options.rho === undefined && constantGateSum(moe) === undefined;
  return calibration !== undefined && (init === 'distil' || measured);
}

/** Measures ρ and fits the routers, where that is asked for. Errors: `VALUE`. */
export async function newRouters(
  model: DecoderModel,
  options: ReplacementOptions & RouterStart,
): Promise<NewRouters> {
  const { moe } = model.architecture;
  const { calibration, router, seed = 0 } = options;
  if (moe === undefined || !needsModel(moe, options) || calibration === undefined) return {};
  const rho =
    options.rho ?? rhoFor(router, moe, constantGateSum(moe) ?? (await meanGateSum(model, calibration)));
  if (options.init !== 'distil') return { rho };
  const { description } = model;
  const { architecture } = describeModel(replacedConfig(description, router, rho), {
    families: [description.family],
  });
  const fitted = createRouters(architecture, new Rng(seed));
  try {
    await distil(model, fitted, calibration, { ...options, seed });
    return { rho, fitted };
  } catch (error) {
    disposeRouters(fitted);
    throw error;
  }
}

export function disposeRouters(routers: ReadonlyMap<number, Router> = new Map()): void {
  // once: a global router's parameters belong to several layers
  const parameters = new Set([...routers.values()].flatMap(router => router.parameters()));
  for (const parameter of parameters) parameter.dispose();
}
