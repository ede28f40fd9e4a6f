/** Plans how a dense model becomes a mixture of experts. */
import type { ModelStore } from '@spectra/checkpoint';
import { checkValue } from '@spectra/tensor';
import {
  bindTensors,
  describeModel,
  expertGroups,
  type Json,
  MOE_OVERRIDE,
  type ModelDescription,
  type MoeShape,
  type NamedShape,
  type RouterConfig,
  storedTensors,
} from '@spectra/transformer';
import { CarriedTensor } from './carried-tensor.ts';
import { checkStored, denseMlp } from './dense-source.ts';
import { familyTarget } from './family-target.ts';
import { layerTensors, placed, type Shares } from './layer-tensors.ts';
import { type Resolved, resolveOptions, type SharedStart, type UpcycleOptions } from './options.ts';
import { checkAccounted, mismatch, type PlannedTensor, totalsOf, type UpcyclePlan } from './plan.ts';
import { freshRouters, gateSum, hasLinearGate } from './router-tensors.ts';

/**
 * What `upcycle` will write: reads headers only; `setBackend` must have been awaited, for the fresh routers. Errors:
 * `VALUE` for options that do not fit the model, `CHECKPOINT_MISMATCH` where files and configuration disagree.
 */
export async function planUpcycle(
  store: ModelStore,
  source: ModelDescription,
  options: UpcycleOptions,
): Promise<UpcyclePlan> {
  const { architecture: dense } = source;
  checkValue(
    dense.moe === undefined,
    `${source.family.modelType} is a mixture of experts already.`,
    'upcycle',
    'Use mode expand, or replace its router.',
  );
  checkBackbone(store, source);
  const resolved = resolveOptions(options, dense.dense.intermediate, dense.layers.length);
  const { config, shared } = targetConfig(source, resolved, options.shared);
  const target = describeModel(config, { families: [source.family] });
  const moe = target.architecture.moe!;
  checkDivision(resolved, moe.router);
  const shares = sharesOf(shared, resolved);
  const mlps = new Map(resolved.layers.map(layer => [layer, denseMlp(store, source, layer)]));
  const parts = resolved.layers.flatMap(layer =>
    layerTensors(layer, mlps.get(layer)!, dense, moe, resolved, shares),
  );
  const repeats = moe.router.kind === 'spectra' ? 1 : resolved.parts;
  const routers = freshRouters(target.architecture, resolved.seed, repeats);
  const layout = bindTensors([...parts, ...routers], target.family, target.architecture);
  const dropped = new Set([...mlps.values()].flatMap(({ sources }) => sources));
  const made: PlannedTensor[] = [];
  for (const part of parts) made.push(...placed(part, layout.get(part.name)!.pieces));
  const ours = resolved.router !== 'family';
  const gateDtype = mlps.get(resolved.layers[0]!)!.dtype;
  for (const router of routers) {
    made.push({
      name: layout.get(router.name)!.pieces[0]!.tensor,
      dtype: ours || router.role === 'state' ? 'F32' : gateDtype,
      shape: router.shape,
      role: router.role,
      transform: repeats > 1 ? 'fresh, the same for every part' : 'fresh',
      sources: [],
      content: { kind: 'fresh', values: router.values },
    });
  }
  const { stored } = store;
  const carried = stored
    .names()
    .filter(name => !dropped.has(name))
    .map(name => new CarriedTensor(stored.entry(name)));
  const tensors = [...carried, ...made];
  const expected = storedTensors(layout);
  checkAccounted(stored.names(), { tensors, dropped: [] }, expected, store.name);
  const reason = inexact(resolved, moe, shared);
  return {
    config,
    tensors,
    dropped: [],
    exact: reason === undefined,
    ...(reason === undefined ? {} : { inexactBecause: reason }),
    totals: totalsOf(tensors, moe.k / moe.experts),
  };
}

/** The configuration of another model would give other shapes of embedding and norms. */
export function checkBackbone(store: ModelStore, { family, architecture }: ModelDescription): void {
  const { vocabulary, hidden, layers } = architecture;
  const named: NamedShape[] = [
    { name: 'model.embed_tokens.weight', shape: [vocabulary, hidden] },
    { name: 'model.norm.weight', shape: [hidden] },
    ...layers.map((_, i) => ({ name: `model.layers.${i}.input_layernorm.weight`, shape: [hidden] })),
  ];
  const layout = bindTensors(named, family, architecture, name => store.has(name));
  for (const { pieces } of layout.values()) checkStored(store, pieces[0]!);
  const next = new RegExp(`(^|\\.)(layers|h)\\.${layers.length}\\.`);
  if (family.carried === undefined || family.modelType === 'gpt2') {
    const beyond = store.names().find(name => next.test(name));
    if (beyond !== undefined) throw mismatch(`${beyond} is beyond the configured layers.`, store.name);
  }
}

interface Target {
  readonly config: Json;
  readonly shared: SharedStart;
}

/** The parts of a replica share a gate of a linear router, so that each gets 1/S of it: ρ is S then. */
function targetConfig(source: ModelDescription, resolved: Resolved, shared?: SharedStart): Target {
  const { experts, k, width, layers, parts, router } = resolved;
  const { intermediate, bias } = source.architecture.dense;
  if (router === 'family') {
    const config = familyTarget(source, resolved);
    const has = config.model_type === 'qwen2_moe';
    const chosen = shared ?? (has ? 'half' : 'none');
    checkValue(
      has ? chosen === 'half' : chosen === 'none',
      `${String(config.model_type)} has ${has ? 'a shared expert that begins at ½' : 'no shared expert'}.`,
      'upcycle shared',
    );
    return { config, shared: chosen };
  }
  const chosen = shared ?? 'none';
  checkValue(chosen === 'none' || !bias, 'a shared expert cannot have biases.', 'upcycle shared');
  const grouped = router.kind === 'spectra' && parts > 1 ? { ...router, groups: parts } : router;
  checkValue(
    router.kind !== 'spectra' || parts === 1 || router.groups === 1 || router.groups === parts,
    `the router has groups ${expertGroups(router)}, but there are ${parts} parts.`,
    'upcycle router',
  );
  const override = {
    format_version: 1,
    experts,
    k,
    intermediate_size: width,
    layers,
    ...(chosen === 'none' ? {} : { shared_intermediate_size: intermediate }),
    scale: router.kind === 'spectra' ? 1 : parts,
    router: grouped,
  };
  return { config: { ...source.config, [MOE_OVERRIDE]: override }, shared: chosen };
}

/** In parts, a token must meet whole replicas. */
function checkDivision({ parts }: Resolved, router: RouterConfig): void {
  // a token that sees some groups only may miss parts
  const limited = 'kept_groups' in router && router.kept_groups < router.groups;
  checkValue(
    parts === 1 || router.kind === 'spectra' || (hasLinearGate(router) && !limited),
    `a router '${router.kind}' cannot choose all parts of a replica together.`,
    'upcycle router',
    "Use mode copy, or the router 'spectra', 'softmax-topk' or 'topk'.",
  );
}

function sharesOf(shared: SharedStart, { parts, router }: Resolved): Shares {
  const family = router === 'family';
  const routed = { none: 1, half: 0.5, zero: 0 }[shared];
  return {
    // a published family has no ρ: its weights bear the factor
    routed: family ? routed * parts : routed,
    // what gates a published shared expert is σ(0) = ½
    shared: { none: undefined, half: family ? 1 : 0.5, zero: 1 }[shared],
  };
}

function inexact(resolved: Resolved, { router, k }: MoeShape, shared: SharedStart): string | undefined {
  if (shared === 'zero') return undefined;
  if (resolved.noise > 0) return 'noise is added to the experts';
  if (resolved.drop > 0) return 'a share of the units is drawn anew';
  // SPECTRA's sum to 1 in each of its groups
  const wanted = expertGroups(router);
  const sums = gateSum(router, k) === wanted;
  return sums ? undefined : `the gates of this '${router.kind}' router do not sum to 1`;
}
