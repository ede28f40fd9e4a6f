/**
 * What a decoder is made of, as plain data: the one thing that the blocks are built from. A family turns its
 * `config.json` into this; our own configuration is turned into it, too.
 */
import type { ExpertActivation } from '@spectra/moe-layer';
import type { RopeScaling } from './rope-scaling.ts';
import type { RouterConfig } from './router-config.ts';

/** `rms`: Zhang & Sennrich 2019, its weight plus `offset`; `layer`: Ba et al. 2016, with a bias. */
export type NormShape =
  | { readonly kind: 'rms'; readonly epsilon: number; readonly offset: 0 | 1 }
  | { readonly kind: 'layer'; readonly epsilon: number };

export interface RotaryShape {
  /** Channels of a head that are turned: its first ones, or of latent attention its last ones. */
  readonly width: number;
  readonly theta: number;
  readonly scaling?: RopeScaling | undefined;
}

interface AnyAttention {
  readonly heads: number;
  /** Multiplies q·kᵀ. */
  readonly scale: number;
  /** Positions a token sees, itself included; all before it by default. */
  readonly window?: number | undefined;
  /** Which of `Architecture.rotaries` turns q and k; none with learned positions. */
  readonly rotary?: string | undefined;
}

/** Grouped-query attention (Ainslie et al. 2023); with as many key-value heads as heads that of Vaswani et al. 2017. */
export interface GroupedAttentionShape extends AnyAttention {
  readonly kind: 'grouped';
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Biases of q, k and v, and of the output. */
  readonly inputBias: boolean;
  readonly outputBias: boolean;
  /** RMSNorm of q and k before they are turned, per head or over all heads at once. */
  readonly queryKeyNorm?: 'head' | 'full' | undefined;
  /** q, k and v are clamped to ± this, after their norms. */
  readonly clip?: number | undefined;
  /** A learned logit per head that no value belongs to. */
  readonly sinks: boolean;
}

/** Multi-head latent attention (DeepSeek-V2, 2024): keys and values come from one narrow vector per token. */
export interface LatentAttentionShape extends AnyAttention {
  readonly kind: 'latent';
  /** Width of the queries' own narrow vector; none: queries come from the token itself. */
  readonly queryRank?: number | undefined;
  readonly keyValueRank: number;
  /** A head of q and k: channels that are not turned, then those that are. */
  readonly plainDim: number;
  readonly turnedDim: number;
  readonly valueDim: number;
  /** Biases of the first projections and of the output. */
  readonly bias: boolean;
  /** ε of the norms of the narrow vectors. */
  readonly epsilon: number;
  /** Whether neighbouring channels (2i, 2i+1) are turned together, not (i, i + width/2). */
  readonly interleaved: boolean;
}

export type AttentionShape = GroupedAttentionShape | LatentAttentionShape;

export interface LayerShape {
  readonly attention: AttentionShape;
  /** Whether its feed-forward network is a mixture of experts. */
  readonly sparse: boolean;
}

export interface DenseShape {
  readonly intermediate: number;
  readonly activation: ExpertActivation;
  readonly bias: boolean;
}

export interface MoeShape {
  readonly experts: number;
  /** Experts per token. */
  readonly k: number;
  readonly intermediate: number;
  readonly activation: ExpertActivation;
  readonly bias: boolean;
  /** Of the activation `clamped-glu`. */
  readonly limit?: number | undefined;
  /** A network that every token passes; `gated`: times one sigmoid per token. */
  readonly shared?: { readonly intermediate: number; readonly gated: boolean } | undefined;
  /** Consecutive copies of each expert, which the router scores as one; 1 by default. */
  readonly copies?: number | undefined;
  /** ρ, factor on the sum of the routed experts. */
  readonly scale: number;
  readonly router: RouterConfig;
  /** Standard deviation of the experts' first weights. */
  readonly initializerStd: number;
}

export interface Architecture {
  readonly vocabulary: number;
  readonly hidden: number;
  /** Longest context; a hard limit of positions given explicitly. */
  readonly maxPositions: number;
  /** Rows of the table of learned positions; none with rotary ones. */
  readonly learnedPositions?: number | undefined;
  /** Multiplies the token embedding. */
  readonly embeddingScale: number;
  /** Whether the output head is the embedding. */
  readonly tied: boolean;
  readonly norm: NormShape;
  /** Whether what attention and feed-forward write is normalised, too, before it joins the residual stream. */
  readonly outputNorms: boolean;
  /** By name; layers say which is theirs. */
  readonly rotaries: Readonly<Record<string, RotaryShape>>;
  readonly layers: readonly LayerShape[];
  /** The networks of the layers that are not sparse, and of those that are. */
  readonly dense: DenseShape;
  readonly moe?: MoeShape | undefined;
  /** Standard deviations of first weights; `linear` by default 1/√(3·inputs). */
  readonly initializer: {
    readonly embedding: number;
    readonly position: number;
    readonly linear?: number | undefined;
  };
  /** Gradient checkpointing: layers are run again in the backward pass. */
  readonly recompute: boolean;
}
