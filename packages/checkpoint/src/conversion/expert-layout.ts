/**
 * The two layouts of routed experts. `per-expert`: three matrices for each, as models are published. `fused`: one tensor
 * for all gate and up projections, `mlp.experts.gate_up_proj` [E,2I,H] (all gate rows of an expert, then all up rows),
 * and one for all down projections, `mlp.experts.down_proj` [E,H,I], as transformers 5 holds them.
 */
import { checkValue, SpectraError } from '@spectra/tensor';
import { quote } from '../header.ts';
import type { TensorSlice } from '../slice.ts';
import type { TensorStore } from '../tensor-store.ts';

export type ExpertLayout = 'per-expert' | 'fused';

/** A source tensor, or a slice of it, that fills consecutive elements of a target. */
export interface TensorPart {
  readonly source: string;
  readonly slice?: TensorSlice;
}

/** A tensor of the target and the parts that it consists of, in row-major order. */
export interface LaidOutTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly parts: readonly TensorPart[];
}

interface ExpertNames {
  readonly block: 'mlp' | 'block_sparse_moe';
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}
const PROJECTIONS: ExpertNames = { block: 'mlp', gate: 'gate_proj', up: 'up_proj', down: 'down_proj' };
const NUMBERED: ExpertNames = { block: 'block_sparse_moe', gate: 'w1', up: 'w3', down: 'w2' };

/** How each family that is published per expert names them. */
const FAMILIES: Readonly<Record<string, ExpertNames>> = {
  mixtral: NUMBERED,
  minimax_m2: NUMBERED,
  qwen2_moe: PROJECTIONS,
  qwen3_moe: PROJECTIONS,
  olmoe: PROJECTIONS,
  deepseek_v3: PROJECTIONS,
  kimi_k2: PROJECTIONS,
  glm4_moe: PROJECTIONS,
};

const PER_EXPERT = /^(model\.layers\.(\d+)\.(mlp|block_sparse_moe)\.experts)\.(\d+)\.(\w+)\.weight$/;
const FUSED = /^model\.layers\.(\d+)\.mlp\.experts\.(gate_up_proj|down_proj)$/;

const OWN_ROUTER = /\.mlp\.router\./;

/** Every tensor as it is. */
export function sameLayout(store: TensorStore): LaidOutTensor[] {
  return store.names().map(name => ({ name, shape: store.entry(name).shape, parts: [{ source: name }] }));
}

/**
 * The tensors of the other layout, in the order of the source; layers past `num_hidden_layers` (multi-token prediction)
 * stay as they are. Errors: `VALUE` for a family that has one layout only or a model without experts,
 * `CHECKPOINT_MISMATCH` for experts that are missing, of unequal shapes or not as many as the configuration says.
 */
export function layOut(
  store: TensorStore,
  layout: ExpertLayout,
  config: Readonly<Record<string, unknown>>,
): LaidOutTensor[] {
  const family = FAMILIES[String(config.model_type)];
  checkValue(
    family !== undefined,
    `model_type ${quote(config.model_type)} has one layout of experts only.`,
    'layout',
    `Layouts can be changed of ${Object.keys(FAMILIES).join(', ')}.`,
  );
  const layers = Number(config.num_hidden_layers ?? Number.POSITIVE_INFINITY);
  const experts = [config.num_local_experts, config.num_experts, config.n_routed_experts].find(
    value => typeof value === 'number',
  );
  const tensors =
    layout === 'fused' ? fuse(store, layers, family, experts) : split(store, layers, family, experts);
  const either = (name: string): boolean => FUSED.test(name) || PER_EXPERT.test(name);
  checkValue(
    tensors.some(({ name }) => either(name)),
    'the model has no routed experts.',
    store.name,
  );
  return tensors;
}

interface Expert {
  readonly gate?: string;
  readonly up?: string;
  readonly down?: string;
}

function fuse(store: TensorStore, layers: number, family: ExpertNames, experts: unknown): LaidOutTensor[] {
  const groups = new Map<string, Map<number, Expert>>();
  const groupOf = new Map<string, string>();
  for (const name of store.names()) {
    const [, prefix, layer, block, index, projection] = PER_EXPERT.exec(name) ?? [];
    if (prefix === undefined || Number(layer) >= layers || block !== family.block) continue;
    const role = (['gate', 'up', 'down'] as const).find(key => family[key] === projection);
    if (role === undefined) continue;
    const group = groups.get(prefix) ?? new Map<number, Expert>();
    groups.set(prefix, group);
    group.set(Number(index), { ...group.get(Number(index)), [role]: name });
    groupOf.set(name, prefix);
  }
  const emitted = new Set<string>();
  return store.names().flatMap((name): LaidOutTensor[] => {
    const prefix = groupOf.get(name);
    if (prefix === undefined) {
      const layer = Number(/^model\.layers\.(\d+)\./.exec(name)?.[1]);
      const target = layer < layers ? name.replace(`.${family.block}.`, '.mlp.') : name;
      return [{ name: target, shape: store.entry(name).shape, parts: [{ source: name }] }];
    }
    if (emitted.has(prefix)) return [];
    emitted.add(prefix);
    return fusedPair(store, prefix.replace(`.${family.block}.`, '.mlp.'), groups.get(prefix)!, experts);
  });
}

function fusedPair(
  store: TensorStore,
  target: string,
  group: ReadonlyMap<number, Expert>,
  experts: unknown,
): LaidOutTensor[] {
  checkCount(store, target, group.size, experts);
  const first = group.get(0);
  const shape = store.entry(first?.gate ?? missing(store, `${target}.0`)).shape;
  if (shape.length !== 2)
    throw mismatch(store, `${target}: an expert's gate is ${quote(shape)}, not a matrix.`);
  const [width, hidden] = shape as [number, number];
  const gateUp: TensorPart[] = [];
  const down: TensorPart[] = [];
  for (let e = 0; e < group.size; e++) {
    const { gate, up, down: back } = group.get(e) ?? {};
    if (gate === undefined || up === undefined || back === undefined) missing(store, `${target}.${e}`);
    else {
      for (const [name, wanted] of [
        [gate, [width, hidden]],
        [up, [width, hidden]],
        [back, [hidden, width]],
      ] as const) {
        const { shape: found } = store.entry(name);
        if (found.length !== 2 || found[0] !== wanted[0] || found[1] !== wanted[1]) {
          throw mismatch(store, `${name} is ${quote(found)}, the other experts need ${quote(wanted)}.`);
        }
      }
      gateUp.push({ source: gate }, { source: up });
      down.push({ source: back });
    }
  }
  return [
    { name: `${target}.gate_up_proj`, shape: [group.size, 2 * width, hidden], parts: gateUp },
    { name: `${target}.down_proj`, shape: [group.size, hidden, width], parts: down },
  ];
}

function split(store: TensorStore, layers: number, family: ExpertNames, experts: unknown): LaidOutTensor[] {
  const sparse = new Set(store.names().flatMap(name => FUSED.exec(name)?.[1] ?? []));
  return store.names().flatMap((name): LaidOutTensor[] => {
    const layer = /^model\.layers\.(\d+)\./.exec(name)?.[1] ?? '';
    const own = sparse.has(layer) && Number(layer) < layers;
    // a router of ours stands at its place whatever the family calls its experts
    const target = own && !OWN_ROUTER.test(name) ? name.replace('.mlp.', `.${family.block}.`) : name;
    const { shape } = store.entry(name);
    const projection = FUSED.exec(name)?.[2];
    if (!own || projection === undefined) return [{ name: target, shape, parts: [{ source: name }] }];
    if (shape.length !== 3) throw mismatch(store, `${name} is ${quote(shape)}, not [experts, out, in].`);
    const [count, rows, columns] = shape as [number, number, number];
    checkCount(store, name, count, experts);
    if (projection === 'gate_up_proj' && rows % 2 !== 0) {
      throw mismatch(store, `${name} has ${rows} rows, not as many of gate as of up.`);
    }
    const prefix = target.replace(/\.\w+$/, '');
    const matrix = (e: number, role: string, from: number, to: number): LaidOutTensor => ({
      name: `${prefix}.${e}.${role}.weight`,
      shape: [to - from, columns],
      parts: [
        {
          source: name,
          slice: [
            [e, e + 1],
            [from, to],
          ],
        },
      ],
    });
    return Array.from({ length: count }, (_, e) =>
      projection === 'down_proj'
        ? [matrix(e, family.down, 0, rows)]
        : [matrix(e, family.gate, 0, rows / 2), matrix(e, family.up, rows / 2, rows)],
    ).flat();
  });
}

function checkCount(store: TensorStore, name: string, found: number, configured: unknown): void {
  if (configured === undefined || configured === found) return;
  throw mismatch(store, `${name} has ${found} experts, the configuration says ${quote(configured)}.`);
}

function missing(store: TensorStore, expert: string): never {
  throw mismatch(store, `the tensors of expert ${expert} are not all there.`);
}

function mismatch(store: TensorStore, message: string): SpectraError {
  return new SpectraError('CHECKPOINT_MISMATCH', {
    message,
    where: store.name,
    fix: 'Use the whole checkpoint, with the config.json that belongs to it.',
  });
}
