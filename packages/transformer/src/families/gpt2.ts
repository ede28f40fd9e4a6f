/** GPT-2 (Radford et al. 2019): learned positions, LayerNorm, biases everywhere, weights stored [in, out]. */

import type { Architecture } from '../architecture.ts';
import type { ConfigFile } from '../config-file.ts';
import type { Family } from '../family.ts';
import type { Piece, TensorRule } from '../layout/piece.ts';

function architecture(file: ConfigFile): Architecture {
  file.expect('activation_function', ['gelu_new', 'gelu_pytorch_tanh']);
  file.expect('scale_attn_weights', [true]);
  file.expect('scale_attn_by_inverse_layer_idx', [false]);
  file.expect('add_cross_attention', [false]);
  const hidden = file.integer('n_embd');
  const heads = file.integer('n_head');
  const positions = file.integer(['n_positions', 'n_ctx'], 1024);
  const headDim = hidden / heads;
  if (!Number.isInteger(headDim)) throw file.invalid(`n_embd ${hidden} is no multiple of n_head ${heads}.`);
  const attention = {
    kind: 'grouped',
    heads,
    keyValueHeads: heads,
    headDim,
    inputBias: true,
    outputBias: true,
    sinks: false,
    scale: headDim ** -0.5,
  } as const;
  return {
    vocabulary: file.integer('vocab_size'),
    hidden,
    maxPositions: positions,
    learnedPositions: positions,
    embeddingScale: 1,
    tied: file.flag('tie_word_embeddings', true),
    norm: { kind: 'layer', epsilon: file.positive('layer_norm_epsilon', 1e-5) },
    outputNorms: false,
    rotaries: {},
    layers: Array.from({ length: file.integer('n_layer') }, () => ({ attention, sparse: false })),
    dense: { intermediate: file.integer('n_inner', 4 * hidden), activation: 'gelu', bias: true },
    initializer: { embedding: 0.02, position: 0.02 },
    recompute: false,
  };
}

/** Our names and theirs; files of the whole class put `transformer.` before. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/^model\.embed_tokens\./, 'wte.'],
  [/^model\.embed_positions\./, 'wpe.'],
  [/^model\.norm\./, 'ln_f.'],
  [/^model\.layers\.(\d+)\.input_layernorm\./, 'h.$1.ln_1.'],
  [/^model\.layers\.(\d+)\.post_attention_layernorm\./, 'h.$1.ln_2.'],
  [/^model\.layers\.(\d+)\.self_attn\.[qkv]_proj\./, 'h.$1.attn.c_attn.'],
  [/^model\.layers\.(\d+)\.self_attn\.o_proj\./, 'h.$1.attn.c_proj.'],
  [/^model\.layers\.(\d+)\.mlp\.up_proj\./, 'h.$1.mlp.c_fc.'],
  [/^model\.layers\.(\d+)\.mlp\.down_proj\./, 'h.$1.mlp.c_proj.'],
];

function named(prefix: string): TensorRule {
  return ({ name, shape }) => {
    const found = NAMES.find(([pattern]) => pattern.test(name));
    if (found === undefined) return undefined;
    const tensor = prefix + name.replace(...found);
    const third = /\.([qkv])_proj\./.exec(name)?.[1];
    if (third !== undefined) return [thirdOf(tensor, 'qkv'.indexOf(third), shape)];
    const transposed = /_proj\.weight$/.test(name);
    return [transposed ? { tensor, shape: [...shape].reverse(), order: 'columns' } : { tensor, shape }];
  };
}

/** q, k or v of `c_attn`: columns of its weight [in, 3·out], a stretch of its bias. */
function thirdOf(tensor: string, index: number, shape: readonly number[]): Piece {
  const [outputs, inputs] = shape as [number, number?];
  const range = [index * outputs, (index + 1) * outputs] as const;
  return inputs === undefined
    ? { tensor, shape: [3 * outputs], slice: [range] }
    : { tensor, shape: [inputs, 3 * outputs], slice: [null, range], order: 'columns' };
}

export const gpt2: Family = {
  modelType: 'gpt2',
  architecture,
  tensors: [named(''), named('transformer.')],
  // the causal mask
  carried: name => /(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/.test(name),
};
