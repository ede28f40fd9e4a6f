/** Plans how a mixture of experts gets another router, its experts untouched. */
import type { ModelStore } from '@spectra/checkpoint';
import { checkValue } from '@spectra/tensor';
import {
  describeModel,
  type Json,
  MOE_OVERRIDE,
  type ModelDescription,
  type MoeShape,
  type RouterConfig,
} from '@spectra/transformer';
import { moeOf, sparseLayers } from './moe-source.ts';
import { checkAccounted, type PlannedTensor, totalsOf, type UpcyclePlan } from './plan.ts';
import { carriedTensor } from './plan-upcycle.ts';
import { routerLayer } from './router-names.ts';
import { freshRouters, gatesSumToOne } from './router-tensors.ts';

export interface ReplacementOptions {
  readonly router: RouterConfig;
  /**
   * ρ, factor on the new router's gates, which sum to 1. By default what the old gates sum to, where that is a constant
   * (normalised, times their `routed_scaling_factor`); needed where it is not, see `meanGateSum`.
   */
  readonly rho?: number;
  /** Of the fresh router; 0 by default. */
  readonly seed?: number;
}

/**
 * What changes: old routers' tensors are dropped, their correction bias too; fresh ones are new, all others stay where
 * they are. `setBackend` must have been awaited. Errors: `VALUE`, `CHECKPOINT_MISMATCH`, `CONFIG_INVALID`.
 */
export async function planReplacement(
  store: ModelStore,
  source: ModelDescription,
  options: ReplacementOptions,
): Promise<UpcyclePlan> {
  const moe = moeOf(store, source);
  const rho = options.rho ?? constantGateSum(moe);
  checkValue(
    rho !== undefined,
    `the gates of the old router do not sum to a constant, so that ρ must be given.`,
    'replaceRouter',
    'Give rho (--rho), or ids to measure it on (--input).',
  );
  checkValue(rho > 0 && Number.isFinite(rho), `rho is ${rho}, it must be positive.`, 'replaceRouter');
  const before = source.config[MOE_OVERRIDE] as Json | undefined;
  const override = { ...before, format_version: 1, scale: rho, router: options.router };
  const config = { ...source.config, [MOE_OVERRIDE]: override };
  const { architecture } = describeModel(config);
  const sparse = new Set([-1, ...sparseLayers(architecture)]);
  const { stored } = store;
  const old = (name: string): boolean => sparse.has(routerLayer(name) ?? -2);
  const routers = await freshRouters(architecture, options.seed ?? 0);
  const made = routers.map(
    ({ name, shape, role, values }): PlannedTensor => ({
      name,
      dtype: 'F32',
      shape,
      role,
      transform: 'fresh',
      sources: [],
      content: { kind: 'fresh', values },
    }),
  );
  const names = stored.names();
  const carried = names.filter(name => !old(name)).map(name => carriedTensor(name, stored.entry(name)));
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
    inexactBecause: 'a fresh router chooses other experts',
    totals: totalsOf(tensors, moe.k / moe.experts),
  };
}

/** What the gates of every token sum to, with the layer's ρ. */
function constantGateSum({ router, k, scale }: MoeShape): number | undefined {
  if (router.kind === 'topk') return router.normalise ? router.scale * scale : undefined;
  return gatesSumToOne(router, k) ? scale : undefined;
}
