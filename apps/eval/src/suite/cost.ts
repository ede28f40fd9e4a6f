/** What a model costs, from its configuration alone: parameters, and multiply-adds of a token's forward pass. */
import { DecoderModel, type ModelConfig } from '@spectra/transformer';

export interface ModelCost {
  readonly parameters: number;
  /** Without the experts that a token does not visit. */
  readonly active_parameters: number;
  readonly router_parameters: number;
  /** Floating-point operations of one token's forward pass at the given context, two per multiply-add. */
  readonly flops: number;
  /** The routers' part of `flops`, all layers. */
  readonly router_flops: number;
}

/** `length`: tokens of a row; a token attends to half of them on average. A backend must be set. */
export function modelCost(config: ModelConfig, length: number): ModelCost {
  const { hidden_size: H, vocab_size: V, num_hidden_layers: L, moe } = config;
  const heads = config.num_attention_heads;
  const width = config.head_dim ?? H / heads;
  const keyValue = (config.num_key_value_heads ?? heads) * width;
  const query = heads * width;
  const biases = config.attention_bias ? query + 2 * keyValue + H : 0;
  const projections = H * (query + 2 * keyValue) + query * H;
  const attention = projections + biases + 2 * H;
  const context = config.sliding_window === undefined ? length : Math.min(length, 2 * config.sliding_window);

  const mlp = (inner: number): number => 3 * H * inner;
  const dense = moe === undefined ? L : moe.first_dense_layers;
  const mixed = L - dense;
  const denseWeights = mlp(config.intermediate_size);
  const denseBiases = config.mlp_bias ? 2 * config.intermediate_size + H : 0;
  const expert = moe === undefined ? 0 : mlp(moe.intermediate_size);
  const shared = moe === undefined ? 0 : mlp(moe.intermediate_size * moe.shared_experts);
  const router = moe === undefined || mixed === 0 ? { parameters: 0, flops: 0 } : routerCost(config, mixed);

  const embedding = V * H * (config.tie_word_embeddings ? 1 : 2);
  const positions = config.positions === 'learned' ? config.max_position_embeddings * H : 0;
  const rest =
    embedding + positions + H + L * attention + dense * (denseWeights + denseBiases) + mixed * shared;
  const flops =
    2 * (L * projections + dense * denseWeights + mixed * (shared + (moe?.k ?? 0) * expert) + V * H) +
    L * 2 * query * context +
    router.flops;
  return {
    parameters: rest + router.parameters + mixed * (moe?.experts ?? 0) * expert,
    active_parameters: rest + router.parameters + mixed * (moe?.k ?? 0) * expert,
    router_parameters: router.parameters,
    flops,
    router_flops: router.flops,
  };
}

interface RouterSizes {
  readonly parameters: number;
  readonly flops: number;
}

/** Of configurations seen before: a plan asks for the same ones over and over. */
const known = new Map<string, RouterSizes>();

/**
 * Of all routers, whatever their kind. Building them at full width and depth could take minutes (orthogonal
 * initialisation), so small ones are built: sizes are polynomials in the hidden size, of degree 2 at most, and linear in
 * the layers.
 */
function routerCost(config: ModelConfig, layers: number): RouterSizes {
  const key = JSON.stringify([config.moe, config.hidden_size, layers]);
  const before = known.get(key);
  if (before !== undefined) return before;
  const built = [8, 16, 24].map(hidden => [1, 2].map(depth => sizesAt(config, hidden, depth)));
  const extend = (of: (sizes: RouterSizes) => number): number =>
    extrapolate(
      built.map(([one, two]) => of(one!) + (layers - 1) * (of(two!) - of(one!))),
      config.hidden_size,
    );
  const found = {
    parameters: extend(sizes => sizes.parameters),
    flops: extend(sizes => sizes.flops) + layers * costFlops(config),
  };
  known.set(key, found);
  return found;
}

function sizesAt(config: ModelConfig, hidden: number, layers: number): RouterSizes {
  const { num_key_value_heads: _heads, rope_scaling: _scaling, ...rest } = config;
  const small = {
    vocab_size: 2,
    num_attention_heads: 1,
    head_dim: 2,
    intermediate_size: 1,
    hidden_size: hidden,
    num_hidden_layers: layers,
    moe: { ...config.moe!, first_dense_layers: 0, intermediate_size: 1, shared_experts: 0 },
  };
  const model = new DecoderModel({ ...rest, ...small }, { uninitialised: true });
  const used = model.routers.map(router => router.parameters());
  const size = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);
  const parameters = [...new Set(used.flat())].reduce((sum, { shape }) => sum + size(shape), 0);
  // every matrix is multiplied once per token and layer, a depth embedding only added
  const flops = used
    .flat()
    .filter(({ shape, name }) => shape.length >= 2 && !name.endsWith('depth_embedding'))
    .reduce((sum, { shape }) => sum + 2 * size(shape), 0);
  model.dispose();
  return { parameters, flops };
}

/** Through the values at 8, 16 and 24 (Newton's forward differences). */
function extrapolate([a, b, c]: readonly number[], hidden: number): number {
  const t = (hidden - 8) / 8;
  return Math.round(a! + t * (b! - a!) + ((t * (t - 1)) / 2) * (c! - 2 * b! + a!));
}

/** What SPECTRA's cost does to a token beyond its matrices: scores, repulsion and hinge. 0 for other routers. */
export function costFlops({ moe }: Pick<ModelConfig, 'moe'>): number {
  if (moe?.router.kind !== 'spectra') return 0;
  const { experts: E, router } = moe;
  return 2 * E * router.router_dim + 2 * E * E + 6 * E;
}

/** One token's share of Sinkhorn: two passes of multiply, add, exponential per iteration, one at the end. */
export function sinkhornFlops({ moe }: Pick<ModelConfig, 'moe'>): number {
  if (moe?.router.kind !== 'spectra') return 0;
  return 3 * moe.experts * (2 * moe.router.iterations + 1);
}
