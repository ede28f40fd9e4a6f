/** Plans how a mixture of E experts becomes one of 2E, of which a token meets twice as many. */
import type { ModelStore, StoredEntry } from '@spectra/checkpoint';
import { checkValue, SpectraError } from '@spectra/tensor';
import {
  describeModel,
  type Json,
  MOE_OVERRIDE,
  type ModelDescription,
  type MoeShape,
  type RouterConfig,
} from '@spectra/transformer';
import { CarriedTensor } from './carried-tensor.ts';
import { moeOf } from './moe-source.ts';
import { checkAccounted, type PlannedTensor, totalsOf, type UpcyclePlan } from './plan.ts';
import { routerLayer } from './router-names.ts';

const EXPERT_COUNTS = ['num_local_experts', 'num_experts', 'n_routed_experts'];
const ONE_EXPERT = /^(.*\.experts\.)(\d+)(\..+)$/;
const ALL_EXPERTS = /\.experts\.(gate_up_proj|up_proj|down_proj)(_bias|_blocks|_scales|_scale_inv)?$/;

/**
 * Both copies of an expert stand side by side, with the same rows of the router, and share its gate. Bytes are copied,
 * whatever the dtype. Layers that are carried but not run are expanded, too, so that they fit the configuration.
 * Errors: `VALUE` for a router that this is not exact for, `CHECKPOINT_MISMATCH`, `CONFIG_INVALID`.
 */
export function planExpansion(store: ModelStore, source: ModelDescription): UpcyclePlan {
  const moe = moeOf(store, source);
  const config = expandedConfig(source, moe);
  const grown = describeModel(config).architecture.moe!;
  if (grown.experts !== 2 * moe.experts || grown.k !== 2 * moe.k) {
    throw new SpectraError('CONFIG_INVALID', {
      message: 'it does not say the numbers of experts by a known key.',
      where: store.name,
    });
  }
  const { stored } = store;
  const tensors = stored.names().flatMap(name => expanded(stored.entry(name), moe.experts));
  checkAccounted(stored.names(), { tensors, dropped: [] }, new Map(), store.name);
  return { config, tensors, dropped: [], exact: true, totals: totalsOf(tensors, moe.k / moe.experts) };
}

function expanded(entry: StoredEntry, experts: number): PlannedTensor[] {
  const { name, dtype, shape } = entry;
  const one = ONE_EXPERT.exec(name);
  const base = { dtype, shape, sources: [name] } as const;
  if (one !== null) {
    const [, before, e, after] = one;
    return [0, 1].map(copy => ({
      ...base,
      name: `${before}${2 * Number(e) + copy}${after}`,
      role: 'expert',
      transform: `copy of expert ${e}`,
      content: { kind: 'stored', parts: [{ source: name }] },
    }));
  }
  const router = routerLayer(name) !== undefined;
  if (shape[0] !== experts || !(router || ALL_EXPERTS.test(name))) return [new CarriedTensor(entry)];
  const parts = Array.from({ length: 2 * experts }, (_, i) => {
    const e = Math.floor(i / 2);
    return { source: name, slice: [[e, e + 1]] as const };
  });
  return [
    {
      ...base,
      name,
      shape: [2 * experts, ...shape.slice(1)],
      role: router ? 'router' : 'expert',
      transform: router ? 'every row twice' : 'every expert twice',
      content: { kind: 'stored', parts },
    },
  ];
}

function expandedConfig({ config, architecture }: ModelDescription, moe: MoeShape): Json {
  const { router } = moe;
  const changed = expandedRouter(router, moe.experts);
  const counts = Object.fromEntries(
    EXPERT_COUNTS.filter(key => config[key] !== undefined).map(key => [key, 2 * moe.experts]),
  );
  const before = config[MOE_OVERRIDE] as Json | undefined;
  const doubled = before?.experts === undefined ? {} : { experts: 2 * moe.experts, k: 2 * moe.k };
  const own = {
    ...before,
    ...doubled,
    ...(changed === undefined ? {} : { router: changed }),
  };
  checkValue(
    architecture.layers.some(({ sparse }) => sparse),
    'no layer has experts.',
    'expand',
  );
  return {
    ...config,
    ...counts,
    num_experts_per_tok: 2 * moe.k,
    ...(Object.keys(own).length === 0 ? {} : { [MOE_OVERRIDE]: { format_version: 1, ...own } }),
  };
}

/** The router with other options, where the same ones would not give the same gates. */
function expandedRouter(router: RouterConfig, experts: number): RouterConfig | undefined {
  if (router.kind === 'softmax-topk') return undefined; // gates of a softmax halve by themselves
  checkValue(
    router.kind === 'topk',
    `a router '${router.kind}' does not choose both copies of an expert.`,
    'expand',
    'Expand a model with its published router, and replace the router afterwards.',
  );
  const { groups, kept_groups: kept, group_top: top, normalise, scores, scale } = router;
  const limited = kept < groups;
  const halved = !normalise && scores === 'sigmoid';
  if (!limited && !halved) return undefined;
  return {
    ...router,
    ...(limited ? { group_top: 2 * Math.min(top, experts / groups) } : {}),
    ...(halved ? { scale: scale / 2 } : {}),
  };
}
