/** Plans how a mixture of E experts becomes one of 2E, of which a token meets twice as many. */
import type { ModelStore, StoredEntry } from '@spectra/checkpoint';
import { gatesSumToOne } from '@spectra/routing';
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
const ACTIVE_COUNTS = ['num_experts_per_tok', 'experts_per_token'];
const ONE_EXPERT = /^(.*\.experts\.)(\d+)(\..+)$/;
const ALL_EXPERTS = /\.experts\.(gate_up_proj|up_proj|down_proj)(_bias|_blocks|_scales|_scale_inv)?$/;

/**
 * Both copies of an expert stand side by side and share its gate: a linear gate with softmax or sigmoid scores has each row
 * twice, so that it tells them apart once training does; any other router, SPECTRA among them, scores the originals and
 * halves a gate over their copies. Bytes are copied, whatever the dtype. Layers that are carried but not run are expanded,
 * too, so that they fit the configuration. Errors: `VALUE` for a dense model, `CHECKPOINT_MISMATCH`, `CONFIG_INVALID`.
 */
export function planExpansion(store: ModelStore, source: ModelDescription): UpcyclePlan {
  const moe = moeOf(store, source);
  const change = routerChange(moe);
  const config = expandedConfig(source, moe, change);
  const grown = describeModel(config, { families: [source.family] }).architecture.moe!;
  if (grown.experts !== 2 * moe.experts || grown.k !== 2 * moe.k) {
    throw new SpectraError('CONFIG_INVALID', {
      message: 'it does not say the numbers of experts by a known key.',
      where: store.name,
    });
  }
  const { stored } = store;
  const rows = change.copies === undefined;
  const tensors = stored.names().flatMap(name => expanded(stored.entry(name), moe.experts, rows));
  checkAccounted(stored.names(), { tensors, dropped: [] }, new Map(), store.name);
  return { config, tensors, dropped: [], exact: true, totals: totalsOf(tensors, moe.k / moe.experts) };
}

/** `rows`: whether the router's are doubled. */
function expanded(entry: StoredEntry, experts: number, rows: boolean): PlannedTensor[] {
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
  const twice = router ? rows : ALL_EXPERTS.test(name);
  if (shape[0] !== experts || !twice) return [new CarriedTensor(entry)];
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

function expandedConfig(
  { config, architecture }: ModelDescription,
  moe: MoeShape,
  change: RouterChange,
): Json {
  checkValue(
    architecture.layers.some(({ sparse }) => sparse),
    'no layer has experts.',
    'expand',
  );
  const twice = (keys: readonly string[], count: number): Json =>
    Object.fromEntries(keys.filter(key => config[key] !== undefined).map(key => [key, 2 * count]));
  const counts = twice(EXPERT_COUNTS, moe.experts);
  const before = config[MOE_OVERRIDE] as Json | undefined;
  const ours = before?.experts !== undefined || Object.keys(counts).length === 0;
  const own = { ...before, ...(ours ? { experts: 2 * moe.experts, k: 2 * moe.k } : {}), ...change };
  return {
    ...config,
    ...counts,
    ...twice(ACTIVE_COUNTS, moe.k),
    ...(Object.keys(own).length === 0 ? {} : { [MOE_OVERRIDE]: { format_version: 1, ...own } }),
  };
}

interface RouterChange {
  readonly router?: RouterConfig;
  /** Where the router goes on scoring the originals. */
  readonly copies?: number;
}

/** What changes of the router, where the same options would not give the same gates. */
function routerChange({ router, experts, k, copies = 1 }: MoeShape): RouterChange {
  if (copies > 1 || (router.kind !== 'topk' && router.kind !== 'softmax-topk')) return { copies: 2 * copies };
  const normalise = gatesSumToOne(router, k);
  if (router.kind === 'softmax-topk') return { router: { ...router, normalise } };
  const { groups, kept_groups: kept, group_top: top, scores, scale } = router;
  const limited = kept < groups;
  // what is left to the default is another for twice as many experts
  const turned = normalise !== gatesSumToOne(router, 2 * k);
  // gates of a softmax halve by themselves
  const halved = !normalise && scores === 'sigmoid';
  if (!limited && !halved && !turned) return {};
  return {
    router: {
      ...router,
      ...(turned ? { normalise } : {}),
      ...(limited ? { group_top: 2 * Math.min(top, experts / groups) } : {}),
      ...(halved ? { scale: scale / 2 } : {}),
    },
  };
}
