/** Grouped-query causal self-attention (Ainslie et al. 2023) within documents, with an optional key–value cache. */
import { causalAttention, type Module, type Parameter, rotary } from '@spectra/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ModelConfig } from './config.ts';
import { attentionShape } from './config.ts';
import type { Initializer } from './initializer.ts';
import { Linear } from './linear.ts';
import type { Rotation } from './rotary.ts';

/** Keys (already turned by their positions) and values of P positions, each [B,P,key-value heads,d]. */
export interface KeyValue {
  readonly key: tf.Tensor4D;
  readonly value: tf.Tensor4D;
}

/** What all layers of one forward pass share. */
export interface AttentionContext {
  /** How q and k are turned; none with learned positions. */
  readonly rotation?: Rotation;
  /** [B,S] int32 document of each query; none means one document per row and no padding. */
  readonly queryDocuments?: tf.Tensor2D;
  /** [B,P+S] int32 document of each key, past ones first. */
  readonly keyDocuments?: tf.Tensor2D;
}

export class Attention implements Module {
  readonly query: Linear;
  readonly key: Linear;
  readonly value: Linear;
  readonly output: Linear;
  private readonly heads: number;
  private readonly keyValueHeads: number;
  private readonly headDim: number;
  private readonly window: number | undefined;

  /** `prefix` such as `model.layers.0.self_attn.`. */
  constructor(init: Initializer, prefix: string, config: ModelConfig) {
    const { heads, keyValueHeads, headDim } = attentionShape(config);
    const { hidden_size: hidden, attention_bias: bias } = config;
    const std = config.initializer.linear;
    const inner = heads * headDim;
    const shared = keyValueHeads * headDim;
    this.query = new Linear(init, { name: `${prefix}q_proj`, inputs: hidden, outputs: inner, bias, std });
    this.key = new Linear(init, { name: `${prefix}k_proj`, inputs: hidden, outputs: shared, bias, std });
    this.value = new Linear(init, { name: `${prefix}v_proj`, inputs: hidden, outputs: shared, bias, std });
    this.output = new Linear(init, { name: `${prefix}o_proj`, inputs: inner, outputs: hidden, bias, std });
    this.heads = heads;
    this.keyValueHeads = keyValueHeads;
    this.headDim = headDim;
    this.window = config.sliding_window;
  }

  /**
   * x [B·S,H] → output [B·S,H], and the keys and values of past and present. The caller owns them (without a past
   * the keys and values are those of x). Cost grows with S·(P+S).
   */
  forward(
    x: tf.Tensor2D,
    batch: number,
    context: AttentionContext,
    past?: KeyValue,
  ): KeyValue & { output: tf.Tensor2D } {
    const length = x.shape[0] / batch;
    const { heads, keyValueHeads, headDim } = this;
    const split = (y: tf.Tensor2D, count: number): tf.Tensor4D =>
      tf.reshape(y, [batch, length, count, headDim]);
    const turn = (y: tf.Tensor4D): tf.Tensor4D =>
      context.rotation === undefined ? y : rotary(y, context.rotation.cos, context.rotation.sin);
    const q = turn(split(this.query.forward(x), heads));
    const newKey = turn(split(this.key.forward(x), keyValueHeads));
    const newValue = split(this.value.forward(x), keyValueHeads);
    const key = past === undefined ? newKey : tf.concat([past.key, newKey], 1);
    const value = past === undefined ? newValue : tf.concat([past.value, newValue], 1);
    const mixed = causalAttention(q, key, value, {
      queryDocuments: context.queryDocuments,
      keyDocuments: context.keyDocuments,
      window: this.window,
    });
    const flat = tf.reshape(mixed, [batch * length, heads * headDim]) as tf.Tensor2D;
    return { output: this.output.forward(flat), key, value };
  }

  parameters(): Parameter[] {
    return [this.query, this.key, this.value, this.output].flatMap(linear => linear.parameters());
  }
}
