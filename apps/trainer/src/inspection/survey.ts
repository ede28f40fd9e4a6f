/** What a model consists of, by the headers of its files and its config.json alone. */
import { type ModelStore, sizeOf, specBytes, storedParts, type TensorStorage } from '@spectra/checkpoint';
import { MOE_OVERRIDE } from '@spectra/transformer';

/** `state` is what a router keeps besides parameters: prices, averages. */
export type TensorRole = 'router' | 'expert' | 'state' | 'other';

export interface SurveyedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** How it is stored: a dtype, `F8_E4M3 in blocks of 128×128`, `MXFP4`. */
  readonly dtype: string;
  readonly role: TensorRole;
  readonly parameters: number;
  /** In the files. */
  readonly bytes: number;
  readonly file: string;
}

export interface SurveyedRouter {
  /** Counts mixture-of-experts layers from 0. */
  readonly layer: number;
  readonly kind: string;
  readonly experts: number;
  /** Experts a token visits. */
  readonly slots: number;
  /** Names of the state's tensors. */
  readonly state: readonly string[];
}

export interface Survey {
  readonly tensors: readonly SurveyedTensor[];
  readonly parameters: {
    readonly total: number;
    /** Of those that compute a token: without the experts that it does not visit and layers that do not run. */
    readonly active: number;
  };
  readonly bytes: number;
  readonly files: number;
  readonly routers: readonly SurveyedRouter[];
}

type Config = Readonly<Record<string, unknown>>;

/** Reads no value of any tensor. */
export function surveyModel(store: ModelStore, config: Config): Survey {
  const tensors = store.names().map((name): SurveyedTensor => {
    const storage = store.storage(name);
    const parts = storedParts(storage);
    const { shape } = store.entry(name);
    const role = roleOf(name);
    return {
      name,
      shape,
      dtype: storedAs(storage),
      role,
      parameters: role === 'state' ? 0 : sizeOf(shape),
      bytes: parts.reduce((sum, part) => sum + specBytes(part), 0),
      file: parts[0]!.file,
    };
  });
  const moe = expertCounts(config);
  const layers =
    typeof config.num_hidden_layers === 'number' ? config.num_hidden_layers : Number.POSITIVE_INFINITY;
  const share = moe === undefined ? 1 : moe.slots / moe.experts;
  let [total, active, bytes] = [0, 0, 0];
  for (const tensor of tensors) {
    total += tensor.parameters;
    bytes += tensor.bytes;
    if (!(layerOf(tensor.name) >= layers)) {
      active += tensor.role === 'expert' ? tensor.parameters * share : tensor.parameters;
    }
  }
  return {
    tensors,
    parameters: { total, active: Math.round(active) },
    bytes,
    files: new Set(tensors.map(({ file }) => file)).size,
    routers: moe === undefined ? [] : routersOf(tensors, layers, config, moe),
  };
}

function storedAs(storage: TensorStorage): string {
  switch (storage.kind) {
    case 'plain':
      return storage.tensor.dtype;
    case 'fp8-blocks':
      return `${storage.dtype} in blocks of ${storage.block.join('×')}`;
    case 'mxfp4':
      return 'MXFP4';
  }
}

function roleOf(name: string): TensorRole {
  if (name.includes('.router.state.')) return 'state';
  if (/\.experts\./.test(name)) return 'expert';
  return /\.(mlp|block_sparse_moe)\.(gate\.|router\.|e_score_correction_bias$)/.test(name)
    ? 'router'
    : 'other';
}

/** NaN outside of the layers. */
function layerOf(name: string): number {
  return Number(/(?:^|\.)(?:layers|h)\.(\d+)\./.exec(name)?.[1]);
}

interface ExpertCounts {
  readonly experts: number;
  readonly slots: number;
}

/** Our own models have a section for mixtures of experts; in a family's file it comes before the family's keys. */
function moeSection(config: Config): Config {
  const section = config[MOE_OVERRIDE] ?? config.moe;
  return typeof section === 'object' && section !== null ? (section as Config) : {};
}

/** Every family names them in its own way. */
function expertCounts(config: Config): ExpertCounts | undefined {
  const moe = moeSection(config);
  const first = (...values: unknown[]): number | undefined =>
    values.find((value): value is number => typeof value === 'number' && value > 0);
  const experts = first(moe.experts, config.num_local_experts, config.num_experts, config.n_routed_experts);
  const slots = first(moe.k, config.num_experts_per_tok, config.experts_per_token);
  return experts === undefined || slots === undefined ? undefined : { experts, slots };
}

function routersOf(
  tensors: readonly SurveyedTensor[],
  layers: number,
  config: Config,
  { experts, slots }: ExpertCounts,
): SurveyedRouter[] {
  const sparse = new Set<number>();
  const states = new Map<number, string[]>();
  for (const { name, role } of tensors) {
    const layer = layerOf(name);
    if (!(layer < layers)) continue;
    if (role === 'expert') sparse.add(layer);
    if (role === 'state') states.set(layer, [...(states.get(layer) ?? []), name]);
  }
  const { router } = moeSection(config) as { router?: { kind?: unknown } };
  const kind = String(router?.kind ?? config.model_type);
  return [...sparse]
    .sort((a, b) => a - b)
    .map((at, layer) => ({ layer, kind, experts, slots, state: states.get(at) ?? [] }));
}

/** Tensors that differ only in the numbers of layer and expert, in one line. */
export interface TensorGroup {
  /** With `{L}` and `{e}` for the numbers. */
  readonly pattern: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly count: number;
  readonly parameters: number;
}

export function groupTensors(tensors: readonly SurveyedTensor[]): TensorGroup[] {
  const groups = new Map<string, TensorGroup>();
  for (const { name, shape, dtype, parameters } of tensors) {
    const pattern = name
      .replace(/(^|\.)(layers|h)\.\d+\./, '$1$2.{L}.')
      .replace(/\.experts\.\d+\./, '.experts.{e}.');
    const key = `${pattern} ${dtype} ${shape.join()}`;
    const found = groups.get(key);
    groups.set(key, {
      pattern,
      shape,
      dtype,
      count: (found?.count ?? 0) + 1,
      parameters: (found?.parameters ?? 0) + parameters,
    });
  }
  return [...groups.values()];
}
