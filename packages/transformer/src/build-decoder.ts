/** Makes the parts of a decoder, each parameter under the name that Hugging Face's Llama gives it. */
import { Experts, MoeLayer, SharedExpert } from '@spectra/moe-layer';
import type { Router } from '@spectra/routing';
import type { Parameter } from '@spectra/tensor';
import type { Architecture, AttentionShape, MoeShape } from './architecture.ts';
import { Attention, type AttentionLayer } from './attention.ts';
import { createRouters } from './create-routers.ts';
import { DecoderLayer } from './decoder-layer.ts';
import type { Initializer } from './initializer.ts';
import { LatentAttention } from './latent-attention.ts';
import { Mlp } from './mlp.ts';
import { makeNorm, type Norm } from './norm.ts';

export interface DecoderParts {
  /** `model.embed_tokens.weight` [V,H] */
  readonly embedding: Parameter;
  /** `model.embed_positions.weight` [positions,H], with learned positions. */
  readonly positions: Parameter | undefined;
  readonly layers: readonly DecoderLayer[];
  readonly norm: Norm;
  /** `lm_head.weight` [V,H]; none where it is the embedding. */
  readonly head: Parameter | undefined;
}

export function buildDecoder(architecture: Architecture, init: Initializer): DecoderParts {
  const { vocabulary, hidden, initializer, learnedPositions, tied, layers } = architecture;
  const routers = createRouters(architecture, init.rng);
  return {
    embedding: init.normal('model.embed_tokens.weight', [vocabulary, hidden], initializer.embedding),
    positions:
      learnedPositions === undefined
        ? undefined
        : init.normal('model.embed_positions.weight', [learnedPositions, hidden], initializer.position),
    layers: layers.map((_, index) => buildLayer(architecture, index, routers.get(index), init)),
    norm: makeNorm(init, 'model.norm', hidden, architecture.norm),
    head: tied ? undefined : init.linear('lm_head.weight', vocabulary, hidden, initializer.linear),
  };
}

function buildLayer(
  architecture: Architecture,
  index: number,
  router: Router | undefined,
  init: Initializer,
): DecoderLayer {
  const { hidden, norm, outputNorms, dense, moe, initializer } = architecture;
  const { attention } = architecture.layers[index]!;
  const prefix = `model.layers.${index}.`;
  const named = (name: string): Norm => makeNorm(init, prefix + name, hidden, norm);
  const feedForward =
    moe === undefined || router === undefined
      ? new Mlp(init, `${prefix}mlp.`, hidden, dense, initializer.linear)
      : buildMoe(hidden, moe, router, `${prefix}mlp.`, init);
  const parts = {
    inputNorm: named('input_layernorm'),
    attention: buildAttention(init, `${prefix}self_attn.`, architecture, attention),
    feedForward,
  };
  if (!outputNorms) return new DecoderLayer({ ...parts, feedForwardNorm: named('post_attention_layernorm') });
  return new DecoderLayer({
    ...parts,
    attentionOutputNorm: named('post_attention_layernorm'),
    feedForwardNorm: named('pre_feedforward_layernorm'),
    feedForwardOutputNorm: named('post_feedforward_layernorm'),
  });
}

function buildAttention(
  init: Initializer,
  prefix: string,
  { hidden, norm, initializer }: Architecture,
  shape: AttentionShape,
): AttentionLayer {
  return shape.kind === 'grouped'
    ? new Attention(init, prefix, hidden, shape, norm, initializer.linear)
    : new LatentAttention(init, prefix, hidden, shape, initializer.linear);
}

function buildMoe(
  hidden: number,
  moe: MoeShape,
  router: Router,
  prefix: string,
  init: Initializer,
): MoeLayer {
  const { experts, intermediate, activation, bias, limit, shared, scale } = moe;
  const drawn = { prefix, hidden, activation, std: moe.initializerStd, rng: init.rng };
  return new MoeLayer({
    router,
    experts: new Experts({
      ...drawn,
      experts,
      intermediate,
      bias,
      ...(limit === undefined ? {} : { limit }),
    }),
    ...(shared === undefined ? {} : { shared: new SharedExpert({ ...drawn, ...shared }) }),
    scale,
  });
}
