/** Plans how a mixture of experts gets another router, its experts untouched. */
import type { ModelStore } from '@spectra/checkpoint';
import type { Router } from '@spectra/routing';
import { checkValue } from '@spectra/tensor';
import {
  describeModel,
  type Json,
  MOE_OVERRIDE,
  type ModelDescription,
  type MoeShape,
  type RouterConfig,
} from '@spectra/transformer';
import { CarriedTensor } from './carried-tensor.ts';
import { moeOf, sparseLayers } from './moe-source.ts';
import { checkAccounted, type PlannedTensor, totalsOf, type UpcyclePlan } from './plan.ts';
import { routerLayer } from './router-names.ts';
import { freshRouters, gateSum, routerTensors } from './router-tensors.ts';

export interface ReplacementOptions {
  readonly router: RouterConfig;
  /**
   * ρ, factor on the new router's gates. By default what makes them sum to what the old ones do: those to a constant
   * (normalised, times their `routed_scaling_factor`), or else to their mean sum on the calibration text. To be given
   * where the new gates do not sum to a constant.
   */
  readonly rho?: number;
  /** Of the new router; 0 by default. */
  readonly seed?: number;
}

/**
 * What changes: old routers' tensors are dropped, their correction bias too; new ones are fresh, or `fitted` ones that live
 * until they are written; all others stay where they are. `setBackend` must have been awaited. Errors: `VALUE`,
 * `CHECKPOINT_MISMATCH`, `CONFIG_INVALID`.
 */
export function planReplacement(
  store: ModelStore,
  source: ModelDescription,
  options: ReplacementOptions,
  fitted?: ReadonlyMap<number, Router>,
): UpcyclePlan {
  const moe = moeOf(store, source);
  const config = replacedConfig(source, options.router, options.rho ?? rhoFor(options.router, moe));
  const { architecture } = describeModel(config, { families: [source.family] });
  const sparse = new Set([-1, ...sparseLayers(architecture)]);
  const { stored } = store;
  const old = (name: string): boolean => sparse.has(routerLayer(name) ?? -2);
  const routers =
    fitted === undefined ? freshRouters(architecture, options.seed ?? 0) : routerTensors(fitted);
  const made = routers.map(
    ({ name, shape, role, values }): PlannedTensor => ({
      name,
      dtype: 'F32',
      shape,
      role,
      transform: fitted === undefined ? 'fresh' : 'fitted to the old router',
      sources: [],
      content: { kind: 'fresh', values },
    }),
  );
  const names = stored.names();
  const carried = names.filter(name => !old(name)).map(name => new CarriedTensor(stored.entry(name)));
  const dropped = names.filter(old).map(name => ({
    name,
    reason: name.endsWith('correction_bias')
      ? 'correction bias of the old router'
      : 'the old router, which is replaced',
  }));
  const tensors = [...carried, ...made];
  checkAccounted(names, { tensors, dropped }, new Map(), store.name);
  return {
    config,
    tensors,
    dropped,
    exact: false,
    inexactBecause:
      fitted === undefined
        ? 'a fresh router chooses other experts'
        : 'a fitted router chooses other experts now and then',
    totals: totalsOf(tensors, moe.k / moe.experts),
  };
}

/**
 * The configuration with another router, whose gates ρ multiplies: `VALUE` unless that is positive. The new router tells
 * copies of an expert apart.
 */
export function replacedConfig(source: ModelDescription, router: RouterConfig, rho: number): Json {
  checkValue(rho > 0 && Number.isFinite(rho), `rho is ${rho}, it must be positive.`, 'replaceRouter');
  const { copies: _, ...before } = (source.config[MOE_OVERRIDE] ?? {}) as Json;
  return {
    ...source.config,
    [MOE_OVERRIDE]: { ...before, format_version: 1, scale: rho, router },
  };
}

/** What the gates of every token sum to, with the layer's ρ. */
export function constantGateSum({ router, k, scale, copies = 1 }: MoeShape): number | undefined {
  const sum = gateSum(router, k / copies);
  return sum === undefined ? undefined : sum * scale;
}

/** The factor that makes a new router's gates sum to what the old ones do; `VALUE` where either is no constant. */
export function rhoFor(router: RouterConfig, moe: MoeShape, old = constantGateSum(moe)): number {
  checkValue(
    old !== undefined,
    `the gates of the old router do not sum to a constant, so that ρ must be given.`,
    'replaceRouter',
    'Give rho (--rho), or a calibration text to measure it on (--text, --input).',
  );
  const sum = gateSum(router, moe.k);
  checkValue(
    sum !== undefined,
    `the gates of the new '${router.kind}' router do not sum to a constant, so that ρ must be given.`,
    'replaceRouter',
    `Give rho (--rho): the old gates sum to ${old}.`,
  );
  return old / sum;
}
