/**
 * The common ground of most families: a pre-norm decoder with RMSNorm, rotary positions, grouped-query attention and
 * SwiGLU. A family says where it differs.
 */
import type {
  Architecture,
  AttentionShape,
  GroupedAttentionShape,
  MoeShape,
  RotaryShape,
} from '../architecture.ts';
import type { ConfigFile } from '../config-file.ts';
import { type RouterConfig, routerConfigSchema } from '../router-config.ts';
import { readRope } from './rope.ts';

/** The name of the one rotary of families that have one. */
export const ROTARY = 'default';

export interface Differences {
  /** Defaults of keys that a file may leave out. */
  readonly theta?: number;
  readonly epsilon?: number;
  readonly keyValueHeads?: number;
  readonly headDim?: number;
  readonly maxPositions?: number;
  readonly tied?: boolean;
  /** Part of a head that is turned where the file does not say. */
  readonly rotaryShare?: number;
  /** Overrides of what `groupedAttention` reads. */
  readonly attention?: Partial<GroupedAttentionShape>;
  /** Window of a layer; none by default. */
  readonly window?: (layer: number) => number | undefined;
  readonly moe?: MoeShape;
  /** Whether a layer is a mixture of experts; where there is `moe`, every layer by default. */
  readonly sparse?: (layer: number) => boolean;
  /** The width of the dense networks; `intermediate_size` by default. */
  readonly intermediate?: number;
}

export function llamaLike(file: ConfigFile, differences: Differences = {}): Architecture {
  file.expect('hidden_act', ['silu']);
  const attention = groupedAttention(file, differences);
  const rotary = readRope(file, {
    headDim: attention.headDim,
    theta: differences.theta ?? 10_000,
    share: differences.rotaryShare ?? 1,
  });
  const { window = () => undefined } = differences;
  return assemble(file, differences, { [ROTARY]: rotary }, layer => ({
    ...attention,
    window: window(layer),
  }));
}

/** Heads and their width: `head_dim` where given, else H / heads. */
export function groupedAttention(file: ConfigFile, differences: Differences = {}): GroupedAttentionShape {
  const heads = file.integer('num_attention_heads');
  const hidden = file.integer('hidden_size');
  const headDim = file.integer('head_dim', differences.headDim ?? hidden / heads);
  if (!Number.isInteger(headDim)) {
    throw file.invalid(
      `hidden_size ${hidden} is no multiple of num_attention_heads ${heads}: give head_dim.`,
    );
  }
  const keyValueHeads = file.integer('num_key_value_heads', differences.keyValueHeads ?? heads);
  if (heads % keyValueHeads !== 0) {
    throw file.invalid(
      `num_attention_heads ${heads} is no multiple of num_key_value_heads ${keyValueHeads}.`,
    );
  }
  const bias = file.flag('attention_bias', false);
  return {
    kind: 'grouped',
    heads,
    keyValueHeads,
    headDim,
    inputBias: bias,
    outputBias: bias,
    sinks: false,
    scale: headDim ** -0.5,
    rotary: ROTARY,
    ...differences.attention,
  };
}

/** The architecture around attention of any kind. */
export function assemble(
  file: ConfigFile,
  differences: Differences,
  rotaries: Readonly<Record<string, RotaryShape>>,
  attention: (layer: number) => AttentionShape,
): Architecture {
  const { moe, sparse = () => moe !== undefined } = differences;
  const layers = Array.from({ length: file.integer('num_hidden_layers') }, (_, layer) => ({
    attention: attention(layer),
    sparse: sparse(layer),
  }));
  return {
    vocabulary: file.integer('vocab_size'),
    hidden: file.integer('hidden_size'),
    maxPositions: file.integer('max_position_embeddings', differences.maxPositions ?? 2048),
    embeddingScale: 1,
    tied: file.flag('tie_word_embeddings', differences.tied ?? false),
    norm: {
      kind: 'rms',
      epsilon: file.positive('rms_norm_eps', differences.epsilon ?? 1e-6),
      offset: 0,
    },
    outputNorms: false,
    rotaries,
    layers,
    dense: {
      intermediate: differences.intermediate ?? file.integer('intermediate_size'),
      activation: 'swiglu',
      bias: file.flag('mlp_bias', false),
    },
    moe,
    initializer: { embedding: 0.02, position: 0.02 },
    recompute: false,
  };
}

export interface ExpertOptions {
  readonly experts: number;
  readonly intermediate: number;
  /** Experts per token where the file does not say. */
  readonly k: number;
  /** The options of a `topk` router. */
  readonly router: Partial<Omit<Extract<RouterConfig, { kind: 'topk' }>, 'kind'>>;
  readonly more?: Partial<MoeShape>;
}

/** SwiGLU experts behind a published router. Errors: `CONFIG_INVALID` for a router that cannot choose. */
export function publishedMoe(file: ConfigFile, options: ExpertOptions): MoeShape {
  const { experts, intermediate } = options;
  const k = file.integer('num_experts_per_tok', options.k);
  if (k > experts) throw file.invalid(`num_experts_per_tok ${k} is more than the ${experts} experts.`);
  return {
    experts,
    k,
    intermediate,
    activation: 'swiglu',
    bias: false,
    scale: 1,
    router: routerConfigSchema.parse({ kind: 'topk', ...options.router }),
    initializerStd: 0.02,
    ...options.more,
  };
}

/**
 * `layer_types` where the file has it, else what the family says: the window of each layer that has one. `CONFIG_INVALID` for
 * a kind of attention that is not computed, or fewer kinds than layers.
 */
export function windows(
  file: ConfigFile,
  size: number | undefined,
  otherwise: (layer: number) => boolean,
): (layer: number) => number | undefined {
  const types = file.list('layer_types');
  const layers = file.integer('num_hidden_layers');
  if (types !== undefined && types.length < layers) {
    throw file.invalid(`layer_types has ${types.length} entries for ${layers} layers.`);
  }
  const other = types?.find(type => type !== 'sliding_attention' && type !== 'full_attention');
  if (other !== undefined) {
    throw file.invalid(
      `layer_types has ${JSON.stringify(other)}; "full_attention" and "sliding_attention" are supported.`,
    );
  }
  return layer => {
    const windowed = types === undefined ? otherwise(layer) : types[layer] === 'sliding_attention';
    return windowed ? size : undefined;
  };
}

/** A window that holds for every layer, null meaning none. */
export function windowEverywhere(file: ConfigFile, fallback?: number): (layer: number) => number | undefined {
  const given = file.optionalInteger('sliding_window', 0) ?? fallback;
  const size = given === 0 ? undefined : given;
  return windows(file, size, () => true);
}
