/** Makes the parts of a decoder, each parameter under the name that Hugging Face's Llama gives it. */
import { Experts, MoeLayer, SharedExpert } from '@spectra/moe-layer';
import type { Router } from '@spectra/routing';
import type { Parameter } from '@spectra/tensor';
import { Attention } from './attention.ts';
import type { ModelConfig } from './config.ts';
import { createRouters } from './create-routers.ts';
import { DecoderLayer } from './decoder-layer.ts';
import type { Initializer } from './initializer.ts';
import { Mlp } from './mlp.ts';
import type { MoeConfig } from './moe-config.ts';
import { RmsNorm } from './rms-norm.ts';

export interface DecoderParts {
  /** `model.embed_tokens.weight` [V,H] */
  readonly embedding: Parameter;
  /** `model.embed_positions.weight` [max_position_embeddings,H], with learned positions. */
  readonly positions: Parameter | undefined;
  readonly layers: readonly DecoderLayer[];
  readonly norm: RmsNorm;
  /** `lm_head.weight` [V,H]; none where it is the embedding. */
  readonly head: Parameter | undefined;
}

export function buildDecoder(config: ModelConfig, init: Initializer): DecoderParts {
  const { vocab_size: vocabulary, hidden_size: hidden, rms_norm_eps: epsilon, initializer } = config;
  const { moe } = config;
  const routers = moe === undefined ? [] : createRouters(config, moe, init.rng);
  const layers = Array.from({ length: config.num_hidden_layers }, (_, index) => {
    const prefix = `model.layers.${index}.`;
    const router = routers[index - (moe?.first_dense_layers ?? 0)];
    return new DecoderLayer({
      inputNorm: new RmsNorm(init, `${prefix}input_layernorm`, hidden, epsilon),
      attention: new Attention(init, `${prefix}self_attn.`, config),
      postAttentionNorm: new RmsNorm(init, `${prefix}post_attention_layernorm`, hidden, epsilon),
      feedForward:
        moe === undefined || router === undefined
          ? new Mlp(init, `${prefix}mlp.`, config)
          : buildMoe(config, moe, router, `${prefix}mlp.`, init),
    });
  });
  return {
    embedding: init.normal('model.embed_tokens.weight', [vocabulary, hidden], initializer.embedding),
    positions:
      config.positions === 'learned'
        ? init.normal(
            'model.embed_positions.weight',
            [config.max_position_embeddings, hidden],
            initializer.position,
          )
        : undefined,
    layers,
    norm: new RmsNorm(init, 'model.norm', hidden, epsilon),
    head: config.tie_word_embeddings
      ? undefined
      : init.linear('lm_head.weight', vocabulary, hidden, initializer.linear),
  };
}

function buildMoe(
  config: ModelConfig,
  moe: MoeConfig,
  router: Router,
  prefix: string,
  init: Initializer,
): MoeLayer {
  const { intermediate_size: intermediate, experts, shared_experts: shared, scale } = moe;
  const drawn = { prefix, hidden: config.hidden_size, std: moe.initializer_std, rng: init.rng };
  return new MoeLayer({
    router,
    experts: new Experts({ ...drawn, experts, intermediate }),
    ...(shared === 0 ? {} : { shared: new SharedExpert({ ...drawn, intermediate: intermediate * shared }) }),
    scale,
  });
}
